"""Which runs there are to look at, and where their caches lie at this moment."""

from __future__ import annotations

import re
from collections.abc import Container
from pathlib import Path
from typing import NamedTuple

from pipeline.common.errors import ReadableError
from pipeline.common.work import work_folders

RUNS = Path("runs")
_NAME = re.compile(r"[^/\\\x00]+")


class CacheFolder(NamedTuple):
    """Where a run's cache lies: in its place, or still in the working folder of its dump."""

    folder: Path
    in_work: bool
    running: bool
    """A process writes it."""


def run_names(known: list[str], translations: Container[str] = ()) -> list[str]:
    """The runs of params.yaml that have a folder or a dump in the making, in that order, then other folders of runs/.

    Folders of translations hold a gallery, and are no runs.
    Names come from here alone: no path is ever made of what a browser or a user says.
    """
    there = {path.name for path in RUNS.iterdir() if path.is_dir()} if RUNS.is_dir() else set()
    there = {name for name in there if not name.startswith(".")}
    there |= {work.stage.removeprefix("dump-") for work in work_folders() if work.stage.startswith("dump-")}
    others = sorted(name for name in there - set(known) if name not in translations)
    return [name for name in known if name in there] + others


def checked_run(name: str, names: list[str]) -> str:
    """The name, if it is one of the runs. Raises ReadableError; for a path in words of its own."""
    if not _NAME.fullmatch(name) or name in (".", ".."):
        raise ReadableError(f"{name!r}: a run is named, not given as a path; it must be one of the folders of {RUNS}/")
    if name not in names:
        raise ReadableError(f"there is no run {name!r}; there are {', '.join(names) or 'none yet'}")
    return name


def cache_folder(name: str) -> CacheFolder | None:
    """The cache of a run: the finished one, else the one in the making."""
    works = [work for work in work_folders() if work.stage == f"dump-{name}" and (work.folder / "cache").is_dir()]
    finished = RUNS / name / "cache"
    if finished.is_dir():
        return CacheFolder(finished, in_work=False, running=False)
    if works:
        work = next((work for work in reversed(works) if work.running), works[-1])
        return CacheFolder(work.folder / "cache", in_work=True, running=work.running)
    return None
