"""Working folders: a stage works beside its outputs and moves the result into place when it is whole.

DVC deletes a stage's outputs before it runs the stage, so what a killed stage had made must lie elsewhere.
A working folder is named after the stage and a hash of all that its result depends on: the same inputs find it again,
other inputs never do.
"""

from __future__ import annotations

import fcntl
import inspect
import os
import shutil
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from pipeline.common.code import WRITES_UNFINISHED_WORK, has_effect
from pipeline.common.files import file_hash, fingerprint

WORK = Path(".roundabout") / "work"

_checks: list[Callable[[], None]] = []


def before_publishing(check: Callable[[], None]) -> None:
    """From now on, ``publish`` calls it first: what it raises keeps the result from its place."""
    _checks.append(check)


def sources() -> dict[str, Path]:
    """The files of every module of this project that is imported now and that results may depend on, by module."""
    modules = {_name(name, module): module for name, module in sys.modules.items()}
    return {
        name: Path(source)
        for name, module in sorted(modules.items())
        if name.split(".")[0] in ("pipeline", "stages")
        and (has_effect(name) or name in WRITES_UNFINISHED_WORK)
        and (source := _source(module))
    }


def _name(name: str, module: Any) -> str:
    """Return stages.adapt for ``python -m stages.adapt``, too, and stages.__init__ for the package."""
    spec = getattr(module, "__spec__", None) if name == "__main__" else None
    name = spec.name if spec is not None else name
    return f"{name}.__init__" if hasattr(module, "__path__") else name


def code_version() -> str:
    """Return a hash of the sources of every module that is imported now and that results may depend on."""
    return fingerprint(**{name: file_hash(path) for name, path in sources().items()})


def _source(module: Any) -> str | None:
    try:
        return inspect.getsourcefile(module)
    except TypeError:
        return None


def folder_of(stage: str, **inputs: Any) -> Path:
    """Where a stage with these inputs works."""
    return WORK / f"{stage}-{fingerprint(code=code_version(), **inputs)[:12]}"


@contextmanager
def working_folder(stage: str, **inputs: Any) -> Iterator[Path]:
    """A folder that this process alone uses while the block runs; removed when the block ends well.

    ``inputs`` are all that the result depends on (hashes of files, sections of params); the code's version is added.
    If another process holds the folder — one whose DVC was killed, say — this one waits for it, and goes on from
    what it left unfinished. What it finished it has published, and DVC removes that before it runs a stage again.
    """
    folder = folder_of(stage, **inputs)
    lock = folder.with_suffix(".lock")
    WORK.mkdir(parents=True, exist_ok=True)
    with held(lock, str(folder)):
        folder.mkdir(exist_ok=True)
        yield folder
        _remove(folder, lock)


class Work(NamedTuple):
    """A working folder that is there: of a stage that runs, or of one that was killed and will go on."""

    stage: str
    """What ``working_folder`` was told, ``dump-lse-1``."""
    folder: Path
    running: bool


def work_folders() -> list[Work]:
    """The working folders that are there, the last changed last. For looking on: nothing is written or held."""
    found = [path for path in WORK.glob("*-*") if path.is_dir()]
    return [
        Work(folder.name.rpartition("-")[0], folder, _is_held(folder.with_suffix(".lock")))
        for folder in sorted(found, key=_changed)
    ]


def _changed(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:  # finished this very moment
        return 0.0


def _is_held(path: Path) -> bool:
    """Return whether a process of this machine holds the lock, as Linux lists it; False elsewhere.

    Trying the lock would say so, too, but who leaves a shared folder last must find nobody else trying.
    """
    try:
        node = path.stat().st_ino
        listed = Path("/proc/locks").read_text(encoding="utf-8")
    except OSError:
        return False
    # "1: FLOCK  ADVISORY  WRITE 708 00:13:4719 0 EOF"; waiting ones begin with "1: -> FLOCK"
    places = [line.split() for line in listed.splitlines()]
    return any(words[1] == "FLOCK" and words[5].endswith(f":{node}") for words in places if len(words) > 5)


@contextmanager
def shared_working_folder(stage: str, finish: Callable[[Path], bool], **inputs: Any) -> Iterator[Path]:
    """A working folder in which several processes are at once, each making its share of the result.

    They come and go in any order. Who leaves last is alone in it, and calls ``finish``: that publishes the result and
    answers True, or False where shares are missing still; then somebody will come and make them.
    """
    folder = folder_of(stage, **inputs)
    lock = folder.with_suffix(".lock")
    WORK.mkdir(parents=True, exist_ok=True)
    with held(lock, str(folder), shared=True) as descriptor:
        folder.mkdir(exist_ok=True)
        yield folder
        fcntl.flock(descriptor, fcntl.LOCK_UN)  # first, so that of two who leave together one comes through
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return
        if _is_open_under(lock, descriptor) and finish(folder):
            _remove(folder, lock)


def _remove(folder: Path, lock: Path) -> None:
    """Tidy up after the result has been published: what does not go (NFS, a full quota) is no reason to lose it."""
    shutil.rmtree(folder, ignore_errors=True)
    with suppress(OSError):
        lock.unlink()


@contextmanager
def held(path: Path, what: str, *, shared: bool = False, wait: bool = True) -> Iterator[int]:
    """Hold a lock on a file, which says who does; answers its descriptor. ``shared``: with others who share it.

    The system lets go of it when the process dies, however it dies, and when every process that has inherited the
    descriptor has. Who must wait is told for whom; who does not want to (``wait``) is told by a BlockingIOError.
    """
    kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
    while True:
        with path.open("a+", encoding="utf-8") as lock:
            try:
                fcntl.flock(lock, kind | fcntl.LOCK_NB)
            except BlockingIOError:
                told = f"{what}: another process works here ({_holder(path)})"
                if not wait:
                    raise BlockingIOError(told) from None
                print(f"{told}; waiting", file=sys.stderr, flush=True)
                fcntl.flock(lock, kind)
            # Who held it may have finished and removed the file: then the lock is on a file that nobody else can open.
            if _is_open_under(path, lock.fileno()):
                lock.truncate(0)
                lock.write(f"process {os.getpid()} on {socket.gethostname()} since {datetime.now():%Y-%m-%d %H:%M:%S}")
                lock.flush()
                yield lock.fileno()
                return


def _holder(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8") or "it has just begun"
    except FileNotFoundError:
        return "it has just ended"


def _is_open_under(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def place_of(output: Path) -> Path:
    """Where an output goes: into the workspace, or, in a cluster's job, into the job's own folder."""
    return Path(os.environ.get("ROUNDABOUT_OUTPUTS", "")) / output


def publish(made: Path, output: Path) -> None:
    """Move a finished file or folder to its place; what was there (a link into DVC's cache, maybe) is replaced.

    In a cluster's job the place is in the job's own folder, from where the job's driver gives it to DVC.
    """
    for check in _checks:
        check()
    output = place_of(output)
    output.parent.mkdir(parents=True, exist_ok=True)
    if output.is_dir() and not output.is_symlink():
        shutil.rmtree(output)
    if made.is_dir() and output.is_symlink():
        output.unlink()
    made.replace(output)
