"""A stage's inputs as DVC knows them: a key of all that its result depends on, and what dvc.lock has recorded."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, NamedTuple

from ruamel.yaml import YAML

from pipeline.common.errors import ReadableError
from pipeline.common.files import fingerprint


class StageInputs(NamedTuple):
    """A stage as DVC is about to run it."""

    address: str
    """As in ``dvc repro``: ``pretrain@source-only``."""
    key: str
    """Equal for the same workspace, command, dependencies and params, and different for others."""
    data: tuple[str, ...]
    """Its dependencies that are not code."""
    outputs: tuple[str, ...]
    recorded: bool
    """dvc.lock has a result for exactly these inputs: running the stage now means to compute it anew."""


def stage_inputs() -> StageInputs:
    """Return the inputs of the stage that DVC has started this process for.

    Raises:
        ReadableError: where DVC has not started it.
    """
    address = os.environ.get("DVC_STAGE")
    if not address:
        raise ReadableError("on a cluster, DVC must start the stage: `dvc repro` (or `dvc repro -s STAGE`)")
    from dvc.repo import Repo
    from dvc.stage.serialize import to_single_stage_lockfile

    with Repo() as repo:
        stage = repo.stage.load_one(name=address.rpartition(":")[2])
        recorded = not stage.changed_stage() and not any(dependency.status() for dependency in stage.deps)
        stage.save_deps()  # in memory: the hashes, which DVC has just looked up
        entry = to_single_stage_lockfile(stage)
        paths = [dependency.def_path for dependency in stage.deps if dependency.protocol != "params"]
        outputs = tuple(out.def_path for out in stage.outs)
    described = {name: entry.get(name) for name in ("cmd", "deps", "params")}
    data = tuple(path for path in dict.fromkeys(paths) if Path(path).parts[0] not in ("pipeline", "stages"))
    key = fingerprint(workspace=str(Path.cwd().resolve()), stage=address, **described)
    return StageInputs(address, key, tuple(path for path in data if path != "params.yaml"), outputs, recorded)


def signature(paths: tuple[str, ...]) -> str:
    """Return a hash of names, sizes and times of all files below some paths: it changes when a file is rewritten."""
    rows = []
    for top in paths:
        files = [Path(top)] if Path(top).is_file() else sorted(path for path in Path(top).rglob("*") if path.is_file())
        rows += [(str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in files]
    return fingerprint(files=rows)


def recorded_key(workspace: Path, stage: str) -> str | None:
    """Return a hash of command, params and *contents* of dependencies of the result in dvc.lock; None without one.

    Equal keys mean equal inputs: sizes and times are not part of it.
    """
    entry = _lock_entry(workspace / "dvc.lock", stage)
    if entry is None:
        return None
    contents = sorted((item["path"], item.get("md5", "")) for item in entry.get("deps", []))
    return fingerprint(command=entry["cmd"], params=entry.get("params", {}), contents=contents)


def _lock_entry(path: Path, stage: str) -> dict[str, Any] | None:
    """Parse the lines of one stage only: the whole file, with the stages of all rounds, takes a second."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    except FileNotFoundError:
        return None
    heads = {f"  {stage}:\n", f"  '{stage}':\n"}
    first = next((index for index, line in enumerate(lines) if line in heads), None)
    if first is None:
        return None
    rest = lines[first + 1 :]
    end = next((index for index, line in enumerate(rest) if not line.startswith("   ")), len(rest))
    entry: dict[str, Any] | None = YAML(typ="safe").load("".join(rest[:end]))
    return entry
