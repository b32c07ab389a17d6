"""Working folders: a stage works beside its outputs and moves the result into place when it is whole.

DVC deletes a stage's outputs before it runs the stage, so what a killed stage had made must lie elsewhere.
A working folder is named after the stage and a hash of all that its result depends on: the same inputs find it again,
other inputs never do.
"""

from __future__ import annotations

import ctypes
import fcntl
import inspect
import os
import shutil
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pipeline.files import file_hash, fingerprint

WORK = Path(".roundabout") / "work"


def code_version() -> str:
    """A hash of the sources of every module of this project that is imported now."""
    files = {
        name: file_hash(Path(source))
        for name, module in sorted(sys.modules.items())
        if name.split(".")[0] in ("pipeline", "stages") and (source := _source(module))
    }
    return fingerprint(**files)


def _source(module: Any) -> str | None:
    try:
        return inspect.getsourcefile(module)
    except TypeError:
        return None


@contextmanager
def working_folder(stage: str, **inputs: Any) -> Iterator[Path]:
    """A folder that this process alone uses while the block runs; removed when the block ends well.

    ``inputs`` are all that the result depends on (hashes of files, sections of params); the code's version is added.
    If another process holds the folder — one whose DVC was killed, say — this one waits for it, and then finds what it
    left. When the process that started this one dies, this one is asked to stop (SIGTERM), so that no orphan goes on.
    """
    _stop_with_parent()
    folder = WORK / f"{stage}-{fingerprint(code=code_version(), **inputs)[:12]}"
    folder.mkdir(parents=True, exist_ok=True)
    with folder.with_suffix(".lock").open("a+") as lock:
        _wait_for(lock.fileno(), folder)
        folder.mkdir(parents=True, exist_ok=True)  # who held it may have finished and removed it
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield folder
        shutil.rmtree(folder)
        folder.with_suffix(".lock").unlink(missing_ok=True)


def _wait_for(lock: int, folder: Path) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        print(f"{folder}: another process works here; waiting for it", file=sys.stderr, flush=True)
        fcntl.flock(lock, fcntl.LOCK_EX)


def _stop_with_parent() -> None:
    """Linux only: elsewhere an orphan keeps the lock until it ends, and the next run waits for it."""
    if sys.platform == "linux":
        set_parent_death_signal = 1  # PR_SET_PDEATHSIG, <linux/prctl.h>
        ctypes.CDLL(None).prctl(set_parent_death_signal, signal.SIGTERM)


def publish(made: Path, output: Path) -> None:
    """Moves a finished file or folder to its place; what was there (a link into DVC's cache, maybe) is replaced."""
    output.parent.mkdir(parents=True, exist_ok=True)
    if output.is_dir() and not output.is_symlink():
        shutil.rmtree(output)
    if made.is_dir() and output.is_symlink():
        output.unlink()
    made.replace(output)
