"""What a machine and a params file have, one finding a line: versions, device, disk, data."""

from __future__ import annotations

import operator
import os
import platform
import pwd
import shutil
import tempfile
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Literal, NamedTuple

from packaging.requirements import Requirement

from pipeline.check import changed_files, data_problems
from pipeline.common.errors import ReadableError, counted
from pipeline.common.labels import class_set
from pipeline.common.system_errors import explained
from pipeline.common.work import held
from pipeline.datasets.compare import has
from pipeline.datasets.entries import entries, meanings
from pipeline.datasets.manifest import Manifest, manifest_path
from pipeline.datasets.problems import DataError
from pipeline.params import AnySplit, GeneratedSplit, Params, ParamsError, read_params

PROJECT = "roundabout"
# Bytes of one image in a cache, per pixel and class: docs/cache.md measures 0.65 MB and 2.02 MB at 512x1024x19.
# The small network answers at stride 4, the others at 8: four times as many logits.
CACHE_BYTES = {"logits": 0.65e6 / (512 * 1024 * 19), "probabilities": 2.02e6 / (512 * 1024 * 19)}

Status = Literal["ok", "warn", "fail"]


class Finding(NamedTuple):
    """One thing that was examined; ``advice`` says what to do if it is not well."""

    status: Status
    what: str
    message: str
    advice: str = ""


def examine(path: Path) -> Iterator[Finding]:
    """Yield all findings: about the machine, then about what the params file needs of it. Opens no image."""
    yield _python()
    yield from _packages()
    yield from _devices()
    yield _workspace()
    yield _user()
    yield _file_system(Path(".roundabout"))
    try:
        params = read_params(path)
    except ParamsError as error:
        for problem in error.problems:
            yield Finding("fail", str(path), problem, "`roundabout use` lists complete files")
        yield _disk(0, "its caches are not known without a sound params file")
        return
    yield Finding(
        "ok",
        str(path),
        f"{counted(len(params.initial_models), 'initial model')}, {counted(len(params.rounds), 'round')}",
    )
    yield _workers(params)
    problems = data_problems(params)
    yield from _data(params, problems)
    yield from _changes(params)
    yield _classes(params)
    yield _disk(*_cache_bytes(params))


# ---------------------------------------------------------------------------------------------------------- the machine


def _python() -> Finding:
    # what is too old for pyproject.toml cannot have installed this
    return Finding("ok", "python", f"{platform.python_version()}, {platform.system()} {platform.machine()}")


def _packages() -> Iterator[Finding]:
    """Yield what pyproject.toml requires against what is installed; one line where all is well."""
    try:
        required = [Requirement(line) for line in metadata.requires(PROJECT) or ()]
    except metadata.PackageNotFoundError:
        yield Finding("warn", "packages", f"{PROJECT} itself is not installed", "run `make setup`")
        return
    needed = [item for item in required if item.marker is None or item.marker.evaluate({"extra": ""})]
    wrong = [finding for item in needed if (finding := _package(item)) is not None]
    yield from wrong
    if not wrong:
        yield Finding("ok", "packages", f"all {len(needed)} as required")


def _package(item: Requirement) -> Finding | None:
    try:
        installed = metadata.version(item.name)
    except metadata.PackageNotFoundError:
        return Finding("fail", item.name, f"is not installed, {item} is required", "run `make setup`")
    if item.specifier.contains(installed, prereleases=True):
        return None
    return Finding("fail", item.name, f"is {installed}, {item} is required", "run `make setup`")


def _devices() -> Iterator[Finding]:
    try:
        import torch
        from torchvision.ops import nms
    except (ImportError, RuntimeError) as error:
        yield Finding("fail", "torch", str(error).splitlines()[0], "install the pair of constraints.txt: `make setup`")
        return
    boxes_N4, score_N = torch.tensor([[0.0, 0.0, 1.0, 1.0]]), torch.tensor([1.0])
    try:
        nms(boxes_N4, score_N, 0.5)
    except RuntimeError as error:
        advice = "torch and torchvision are no pair: `make setup`"
        yield Finding("fail", "torchvision", str(error).splitlines()[0], advice)
        return
    yield Finding("ok", "torch", f"{torch.__version__} with torchvision {metadata.version('torchvision')}")
    if not torch.cuda.is_available():
        advice = "`streets` and the camvid presets need none; the papers' networks take days without"
        yield Finding("warn", "device", f"no GPU, {torch.get_num_threads()} CPU threads", advice)
    for number in range(torch.cuda.device_count()):
        free, total = torch.cuda.mem_get_info(number)
        message = f"{torch.cuda.get_device_name(number)}, {free / 2**30:.0f} of {total / 2**30:.0f} GiB free"
        busy = free < total / 2
        yield Finding("warn" if busy else "ok", f"cuda:{number}", message, "someone else uses it" if busy else "")


def _workspace() -> Finding:
    if not Path("dvc.yaml").is_file() or not Path(".dvc").is_dir():
        return Finding(
            "warn", "dvc", f"{Path.cwd()} is not a DVC workspace", "go to the folder of dvc.yaml, or `dvc init`"
        )
    if shutil.which("dvc") is None:
        return Finding("fail", "dvc", "the program is not on PATH", "`source .venv/bin/activate`")
    return Finding("ok", "dvc", f"workspace {Path.cwd()}")


def _user() -> Finding:
    names = [name for name in ("LOGNAME", "USER") if name in os.environ]
    try:
        pwd.getpwuid(os.getuid())
    except KeyError:
        advice = "`export USER=me HOME=/tmp/me` before `dvc repro`: DVC ends without a name"
        return Finding("warn", "user", f"number {os.getuid()} has no name here", "" if names else advice)
    return Finding("ok", "user", f"number {os.getuid()}")


def _file_system(folder: Path) -> Finding:
    """Try what the stages will need of the workspace: a file, a lock on it, a rename over another."""
    try:
        folder.mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder, prefix="doctor-") as name:
            first, second = Path(name) / "first", Path(name) / "second"
            second.touch()
            with held(first, "doctor", wait=False):
                pass
            first.replace(second)
    except OSError as error:
        return Finding("fail", "files", explained(error) or f"{folder}: {error}", "stages lock, write and rename here")
    return Finding("ok", "files", f"{folder.absolute()} can be written, locked and renamed in")


# ------------------------------------------------------------------------------------------------- what the params want


def _workers(params: Params) -> Finding:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    workers = params.runtime.workers
    message = f"runtime.workers is {workers}, there are {cores} cores"
    if workers > cores:
        return Finding("warn", "workers", message, f"set it to {cores}")
    return Finding("ok", "workers", message)


def _data(params: Params, problems: list[str]) -> Iterator[Finding]:
    for name in ("source", "target", "evaluation"):
        if any(problem.startswith(f"data.{name}: ") for problem in problems):
            continue
        split: AnySplit = getattr(params.data, name)
        if isinstance(split, GeneratedSplit):
            yield Finding("ok", f"data.{name}", f"{counted(split.images, 'image')}, drawn by prepare")
        else:
            yield Finding(
                "ok", f"data.{name}", f"{counted(_images(split), 'image')}, layout {split.layout}, in {split.root}"
            )
    for problem in problems:
        what, _, message = problem.partition(": ")
        yield Finding(
            "fail", what, message, "docs/datasets.md has the tree of each data set" if "data." in what else ""
        )


def _changes(params: Params) -> Iterator[Finding]:
    """Yield the splits whose files are no longer those that prepare read."""
    for line in changed_files(params.data):
        what, _, changes = line.partition(": ")
        message, _, advice = changes.rpartition(": ")
        yield Finding("warn", what, f"since prepare {message}", advice)


def _images(split: AnySplit) -> int:
    return split.images if isinstance(split, GeneratedSplit) else operator.length_hint(entries(split))


def _network_inputs(name: str, split: AnySplit) -> int | None:
    """Return the images of a split, or its tiles as `prepare` has counted them; None where it has not."""
    if split.tiling is None:
        return _images(split)
    return len(Manifest(manifest_path(name))) if manifest_path(name).exists() else None


def _classes(params: Params) -> Finding:
    classes = class_set(params.classes)
    lacking = [name for name in classes.names if not has(meanings(params.data.source), name)]
    if not lacking:
        return Finding("ok", "classes", f"the source has all {len(classes)} of {classes.name}")
    advice = "no network learns them, and the mean counts them as 0: see `roundabout classes`"
    return Finding("warn", "classes", f"the source has no {', '.join(lacking)}", advice)


def _cache_bytes(params: Params) -> tuple[int, str]:
    """Return the bytes of all rounds' caches, and how they were computed."""
    try:
        images = _network_inputs("target", params.data.target)
    except (DataError, ReadableError):
        return 0, "the target's images are not there to be counted"
    if images is None:
        return 0, "`prepare` counts the target's tiles, and with them what the caches need"
    height, width = params.data.target.size or params.data.size
    several = params.dump.flip or params.dump.scales != (1.0,)
    exact = params.dump.profile == "logits" or (params.dump.profile == "auto" and not several)
    profile = "logits" if exact and params.model.architecture != "fcn8s-vgg16" else "probabilities"
    one = CACHE_BYTES[profile] * height * width * len(class_set(params.classes))
    if profile == "logits" and params.model.architecture == "small":
        one *= 4
    rounds = len(params.rounds)
    message = f"{counted(rounds, 'cache')} of {counted(images, 'image')} as {profile}, {one / 1e6:.2f} MB an image"
    return int(one * images * rounds), message


def _disk(needed: int, reckoned: str) -> Finding:
    free = shutil.disk_usage(Path()).free
    message = f"{_size(free)} free; the caches need about {_size(needed)} ({reckoned})"
    if not needed:
        return Finding("ok", "disk", f"{_size(free)} free; {reckoned}")
    if free < needed:
        return Finding("fail", "disk", message, "free space, run fewer rounds, or `dvc cache dir` on a larger disk")
    if free < 2 * needed:  # patches, checkpoints, and the versions that DVC keeps
        return Finding("warn", "disk", message, "patches and older versions in DVC's cache come on top: `dvc gc -w`")
    return Finding("ok", "disk", message)


def _size(count: float) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.0f} MB"
