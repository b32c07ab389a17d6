"""What DVC knows of a stage: a key of all that its result depends on, and whether a result for it is recorded."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

from pipeline.common.errors import ReadableError
from pipeline.common.files import fingerprint


class StageInputs(NamedTuple):
    """A stage as DVC is about to run it."""

    address: str
    """As in ``dvc repro``: ``pretrain@source-only``."""
    key: str
    """The same workspace, command, dependencies and params have the same key, and no others."""
    data: tuple[str, ...]
    """Its dependencies that are not code."""
    outputs: tuple[str, ...]
    recorded: bool
    """dvc.lock has a result for exactly these inputs: whoever runs the stage all the same wants it anew."""


def stage_inputs() -> StageInputs:
    """The stage that DVC has started this process for.

    Raises ReadableError where it was not DVC that did.
    """
    address = os.environ.get("DVC_STAGE")
    if not address:
        raise ReadableError("on a cluster, a stage is started by DVC: `dvc repro` (or `dvc repro -s STAGE`)")
    from dvc.repo import Repo
    from dvc.stage.serialize import to_single_stage_lockfile

    with Repo() as repo:
        stage = repo.stage.load_one(name=address.rpartition(":")[2])
        recorded = not stage.changed_stage() and not any(dependency.status() for dependency in stage.deps)
        stage.save_deps()  # in memory: the hashes, which DVC has looked up a moment ago
        entry = to_single_stage_lockfile(stage)
        paths = [dependency.def_path for dependency in stage.deps if dependency.protocol != "params"]
        outputs = tuple(out.def_path for out in stage.outs)
    described = {name: entry.get(name) for name in ("cmd", "deps", "params")}
    data = tuple(path for path in dict.fromkeys(paths) if Path(path).parts[0] not in ("pipeline", "stages"))
    key = fingerprint(workspace=str(Path.cwd().resolve()), stage=address, **described)
    return StageInputs(address, key, tuple(path for path in data if path != "params.yaml"), outputs, recorded)


def signature(paths: tuple[str, ...]) -> str:
    """A hash of names, sizes and times of all files below some paths: cheap, and other when one was written anew."""
    found = []
    for top in paths:
        files = [Path(top)] if Path(top).is_file() else sorted(path for path in Path(top).rglob("*") if path.is_file())
        found += [(str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in files]
    return fingerprint(files=found)
