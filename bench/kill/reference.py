"""A run that nobody disturbs: what the disturbed ones must end with, how long stages take, how often they write."""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from pathlib import Path
from typing import Any, NamedTuple

from ruamel.yaml import YAML

from bench.kill.process import MODULES, Copy, import_libraries
from bench.workspace import ROOT, make_workspace

OUTPUTS = ("data/prepared", "runs", "report")
NOT_EQUAL = ("report/index.html", "report/made.json")
"""They show when, where and for how long."""
MADE = ("runs", "report", "prepared", "dvc.lock", "cache", "tmp", ".roundabout", "site")


LOOK_SECONDS = 0.1


class Stage(NamedTuple):
    """One stage of the reference."""

    seconds: float
    operations: int
    operations_of_dvc: int
    outputs: dict[str, str]
    """Hash of each, as dvc.lock has it."""


class Reference(NamedTuple):
    """The undisturbed run."""

    folder: Path
    stages: dict[str, Stage]
    """In the order in which they ran."""
    files: dict[str, str]
    """Hash of each file of the outputs."""
    bytes: int
    """On the disk, at most, with checkpoints."""


def make_reference(folder: Path, params: dict[str, Any], compiled: Path = ROOT) -> Reference:
    """Run the pipeline once; afterwards this process has imported what DVC and the stages import.

    What numba has compiled in the checkout or workspace ``compiled`` is not compiled again.
    """
    make_workspace(folder, params)
    shutil.copytree(compiled / "pipeline", folder / "pipeline", ignore=_all_but_compiled, dirs_exist_ok=True)
    modules = folder.parent / f"{folder.name}.modules"
    os.environ[MODULES] = str(modules)
    stages, most = _watched(Copy(folder, folder.parent / "reference.log"), folder)
    del os.environ[MODULES]
    import_libraries(dict.fromkeys(modules.read_text(encoding="utf-8").splitlines()))
    lock = recorded_outputs(folder)
    if set(lock) != set(stages):
        raise RuntimeError(f"the undisturbed run failed; see {folder.parent / 'reference.log'}")
    stages = {name: stage._replace(outputs=lock[name]) for name, stage in stages.items()}
    return Reference(folder, stages, file_hashes(folder), most)


def _all_but_compiled(folder: str, names: list[str]) -> list[str]:
    inside = Path(folder).name == "__pycache__"
    return [] if inside else [name for name in names if (Path(folder) / name).is_file()]


def _watched(copy: Copy, folder: Path) -> tuple[dict[str, Stage], int]:
    stages: dict[str, Stage] = {}
    began, last, most = 0.0, "", 0
    while (message := copy.message(LOOK_SECONDS) or {"what": ""})["what"] != "gone":
        most = max(most, size_of(folder))
        what, stage = message["what"], message.get("stage", "")
        if what == "begin":
            began = time.monotonic()
        elif what == "end":
            stages[stage] = Stage(time.monotonic() - began, message["operations"], 0, {})
        elif what == "saved" and last:
            stages[last] = stages[last]._replace(operations_of_dvc=message["operations"])
        if what == "saving":
            last = stage
        if what in ("begin", "saving"):
            copy.answer(message["pid"], 0, torn=False)
    return stages, most


def new_workspace(reference: Reference, folder: Path) -> None:
    """Copy the reference's code and settings, without anything that it has computed."""
    shutil.copytree(reference.folder, folder, symlinks=True, ignore=_computed)


def _computed(folder: str, names: list[str]) -> list[str]:
    parts = Path(folder).parts
    return [name for name in names if name in MADE and not {"pipeline", "stages", "bench"} & set(parts)]


def recorded_outputs(folder: Path) -> dict[str, dict[str, str]]:
    """Return the hashes of outputs in dvc.lock, by stage; an entry that is cut is left out."""
    path = folder / "dvc.lock"
    stages = YAML(typ="safe").load(path.read_text(encoding="utf-8"))["stages"] if path.exists() else {}
    whole = {
        name: entry["outs"] for name, entry in stages.items() if entry and "md5" in (entry.get("outs") or [{}])[-1]
    }
    return {name: {out["path"]: out["md5"] for out in outs} for name, outs in whole.items()}


def file_hashes(folder: Path) -> dict[str, str]:
    """Return a hash of each file below the outputs."""
    # [!.]: DVC ignores what killed writers leave (.dvcignore)
    paths = [path for name in OUTPUTS for path in (folder / name).rglob("[!.]*") if path.is_file()]
    return {str(path.relative_to(folder)): hash_of(path) for path in paths}


def hash_of(path: Path) -> str:
    return hashlib.md5(path.read_bytes()).hexdigest()


def size_of(folder: Path) -> int:
    """Return the bytes on the disk below a folder, code left out; hard links count once."""
    seen = {}
    for name in (*OUTPUTS, ".dvc", ".roundabout"):
        for path in (folder / name).rglob("*"):
            try:
                status = path.lstat()
            except FileNotFoundError:
                continue
            seen[status.st_ino] = status.st_size
    return sum(seen.values())
