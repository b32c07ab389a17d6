"""The runs that can be shown, and the folders of their caches."""

from __future__ import annotations

import re
from collections.abc import Container
from pathlib import Path
from typing import NamedTuple

from pipeline.common.errors import ReadableError, did_you_mean
from pipeline.common.work import work_folders

RUNS = Path("runs")
_NAME = re.compile(r"[^/\\\x00]+")


class CacheFolder(NamedTuple):
    """The folder of a run's cache: below runs/, or still the working folder of its dump."""

    folder: Path
    in_work: bool
    running: bool
    """Whether a process writes it."""


def run_names(known: list[str], translations: Container[str] = ()) -> list[str]:
    """Return the runs of params.yaml that have a folder or a started dump, in that order, then other folders of runs/.

    Translations have folders there, too, and are left out. Names come from here alone: no path is ever built from
    what a browser or a user sends.
    """
    there = {path.name for path in RUNS.iterdir() if path.is_dir()} if RUNS.is_dir() else set()
    there = {name for name in there if not name.startswith(".")}
    there |= {work.stage.removeprefix("dump-") for work in work_folders() if work.stage.startswith("dump-")}
    others = sorted(name for name in there - set(known) if name not in translations)
    return [name for name in known if name in there] + others


def checked_run(name: str, names: list[str]) -> str:
    """Return the name of a run.

    Raises:
        ReadableError: if it is not one of ``names``, with a message of its own for a path.
    """
    if not _NAME.fullmatch(name) or name in (".", ".."):
        raise ReadableError(f"{name!r}: a run is named, not given as a path; it must be one of the folders of {RUNS}/")
    if name not in names:
        there_are = f"there are {', '.join(names)}" if names else "there are none yet (`dvc repro`)"
        raise ReadableError(f"there is no run {name!r}; {there_are}{did_you_mean(name, names)}")
    return name


def cache_folder(name: str) -> CacheFolder | None:
    """Return the finished cache of a run, else the one that is being written, else None."""
    works = [work for work in work_folders() if work.stage == f"dump-{name}" and (work.folder / "cache").is_dir()]
    finished = RUNS / name / "cache"
    if finished.is_dir():
        return CacheFolder(finished, in_work=False, running=False)
    if works:
        work = next((work for work in reversed(works) if work.running), works[-1])
        return CacheFolder(work.folder / "cache", in_work=True, running=work.running)
    return None


def listing(folder: Path, pattern: str) -> list[tuple[str, int, int]]:
    """Return names, times and sizes of files, to see whether anything has changed."""
    listing = []
    for path in sorted(folder.glob(pattern)):
        try:
            state = path.stat()
        except OSError:
            continue
        listing.append((path.name, state.st_mtime_ns, state.st_size))
    return listing
