"""A program that prints the stages, what `dvc status --json` prints, also while a stage runs, and what DVC's cache has.

DVC's own command locks all that stages read and write. A running stage holds the locks of its outputs, and
`dvc status` fails. Of such a stage this program reports what it sees: its old result is missing, or changes.

Run as a file, in the workspace (dvc_view/graph.py); it imports nothing of this project, whose code may be edited.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from dvc import output
from dvc.exceptions import DvcException
from dvc.repo import Repo
from dvc.stage.cache import _can_hash

_OF_DVC = (".dvcignore", ".gitignore", "dvc.yaml", ".dvc")


def main() -> None:
    """Print all stages here, why those run that have changed, and which of them DVC's cache has, as JSON.

    Also ``looked_at``: all files and folders on which the answer depends, None where they cannot be listed.
    """
    _look_once()
    try:
        with Repo() as repo:
            view = _view(repo)
    except DvcException as error:
        sys.exit(str(error))
    print(json.dumps(view, default=str))


def _view(repo: Any) -> dict[str, Any]:
    walked = _note_walks(repo)
    graph = repo.index.graph
    stages = {stage.addressing: stage for stage in graph}
    needs = {name: [needed.addressing for needed in graph.successors(stages[name])] for name in stages}
    reasons = {stage.addressing: (stage, why) for stage in repo.index.stages if (why := reasons_of(stage))}
    return {
        "needs": needs,
        "meta": {name: getattr(stage, "meta", None) for name, stage in stages.items()},
        "reasons": {address: words for address, (_, words) in reasons.items()},
        "cached": [address for address, (stage, _) in reasons.items() if is_cached(repo, stage)],
        "looked_at": None if _looks_elsewhere(stages.values()) else sorted(walked | _named_files(repo)),
    }


def _note_walks(repo: Any) -> set[str]:
    """Return a set to which DVC's walks add their folders, and the files below what stages read and write."""
    walk, seen = repo.dvcignore.walk, set[str]()

    def noted(files: Any, path: str, **options: Any) -> Iterator[tuple[str, Any, Any]]:
        of_all = path == repo.root_dir  # the search for dvc.yaml and *.dvc; a new one changes its folder's time
        for folder, folders, names in walk(files, path, **options):
            seen.add(folder)
            seen.update(f"{folder}/{name}" for name in names if not of_all or name.endswith(_OF_DVC))
            yield folder, folders, names

    repo.dvcignore.walk = noted
    return seen


def _looks_elsewhere(stages: Any) -> bool:
    """Return whether a stage reads or writes what is not a file here, whose change nobody sees in the file system."""
    items = [item for stage in stages for item in (*stage.deps, *stage.outs)]
    return any(item.protocol not in ("local", "params") for item in items)


def _named_files(repo: Any) -> set[str]:
    """Return what stages name, with the folders of it, what DVC is configured by, and the folders of its cache."""
    named = [item.fs_path for stage in repo.index.stages for item in (*stage.deps, *stage.outs)]
    for stage in repo.index.stages:
        folder = os.path.dirname(stage.path)  # noqa: PTH120 - Path of each would take longer than all the rest
        named += [stage.path, f"{folder}/dvc.lock", f"{folder}/params.yaml"]
        resolver = getattr(stage.dvcfile, "resolver", None)
        named += [os.path.abspath(name) for name in (resolver.context.imports if resolver else ())]  # noqa: PTH100
    named += [*repo.config.files.values(), f"{repo.root_dir}/.git/info/exclude"]
    objects, runs = Path(repo.cache.local.path), Path(repo.stage_cache.cache_dir)
    stores = [objects, *objects.glob("*/"), runs, *runs.glob("*/*/")]
    return {*named, *map(os.path.dirname, named), *map(str, stores)}


def _look_once() -> None:
    """Let DVC look at each file and folder once: it does so for every stage, and most stages share their code."""
    build, seen = output.build, dict[tuple[str, ...], Any]()

    def build_once(database: Any, path: str, files: Any, name: str, **options: Any) -> Any:
        key = (str(database.path), path, str(files.protocol), name, str(options.get("dry_run")))
        if key not in seen:
            seen[key] = build(database, path, files, name, **options)
        return seen[key]

    output.build = build_once


def reasons_of(stage: Any) -> list[Any]:
    """Return why `dvc repro` would run a stage, in DVC's words; empty if it would not."""
    try:
        changed = {"changed deps": [] if stage.frozen else stage.deps, "changed outs": stage.outs}
        reasons: list[Any] = [{what: named} for what, items in changed.items() if (named := _named(items))]
    except FileNotFoundError as error:  # listed, and deleted before it was read
        reasons = [{"changed outs": {str(error.filename): "being written"}}]
    if stage.is_callback or stage.always_changed:
        reasons.append("always changed")
    if stage.changed_stage():
        reasons.append("changed command")
    return reasons


def is_cached(repo: Any, stage: Any) -> bool:
    """Return whether `dvc repro` would take the outputs from DVC's cache, as far as the dependencies are there.

    As `StageCache.restore` does it: the outputs of dvc.lock where inputs are those of dvc.lock, and otherwise those of
    an earlier run with the inputs of now.
    """
    if stage.is_callback or stage.always_changed or not stage.outs:
        return False
    try:
        if not stage.changed_stage() and stage.deps_cached():
            return all(out.hash_info for out in stage.outs) and bool(stage.outs_cached())
        stage.save_deps()  # in memory: the hashes, which DVC has just looked up
        if not _can_hash(stage) or not (entry := repo.stage_cache._load(stage)):
            return False
        return bool(repo.stage_cache._create_stage(entry, wdir=stage.wdir).outs_cached())
    except (DvcException, OSError):  # an input is missing, or vanishes meanwhile
        return False


def _named(items: list[Any]) -> dict[str, Any]:
    return {name: how for item in items for name, how in item.status().items()}


if __name__ == "__main__":
    main()
