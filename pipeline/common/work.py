"""Working folders: a stage works beside its outputs and publishes the result when it is complete.

DVC deletes a stage's outputs before it runs the stage, so the partial result of a killed stage must be elsewhere.
A working folder's name has the stage and a hash of all that its result depends on: the same inputs find it again,
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
from pipeline.common.files import file_hash, fingerprint, forget_partial_files

WORK = Path(".roundabout") / "work"

_checks: list[Callable[[], None]] = []


def before_publishing(check: Callable[[], None]) -> None:
    """Register a check that ``publish`` calls first; an error of it prevents the publication."""
    _checks.append(check)


def code_version() -> str:
    """Return a hash of the imported modules of this project on which unfinished work may depend.

    Methods do not count: selection and patches, which they decide, are made anew from the beginning, and
    ``pipeline.params`` imports all of them for their types.
    """
    # A copy, and no look at others' modules: a thread may import, and a lazy module does so when it is looked at
    loaded = [(name, module) for name, module in list(sys.modules.items()) if _is_ours(name, module)]
    modules = {_name(name, module): module for name, module in loaded}
    sources = {
        name: source
        for name, module in sorted(modules.items())
        if (has_effect(name) or name in WRITES_UNFINISHED_WORK)
        and not name.startswith("pipeline.methods.")
        and (source := _source(module))
    }
    return fingerprint(**{name: file_hash(Path(source)) for name, source in sources.items()})


def _is_ours(name: str, module: Any) -> bool:
    return _name_of_program(name, module).split(".")[0] in ("pipeline", "stages")


def _name_of_program(name: str, module: Any) -> str:
    """Return the name under which ``python -m stages.adapt`` has imported ``__main__``; that of others as it is."""
    spec = getattr(module, "__spec__", None) if name == "__main__" else None
    return spec.name if spec is not None else name


def _name(name: str, module: Any) -> str:
    """Return a module's own name, which is stages.__init__ for a package."""
    name = _name_of_program(name, module)
    return f"{name}.__init__" if hasattr(module, "__path__") else name


def _source(module: Any) -> str | None:
    try:
        return inspect.getsourcefile(module)
    except TypeError:
        return None


def folder_of(stage: str, **inputs: Any) -> Path:
    """Return the working folder of a stage with these inputs."""
    return WORK / f"{stage}-{fingerprint(code=code_version(), **inputs)[:12]}"


@contextmanager
def working_folder(stage: str, **inputs: Any) -> Iterator[Path]:
    """Lock a folder for this process while the block runs; remove it when the block ends without an error.

    ``inputs`` are all that the result depends on (hashes of files, sections of params); the code's version is added.
    If another process holds the folder (one whose DVC was killed, say), this one waits for it, and resumes what it
    left. A finished result has been published, and DVC removes that before it runs a stage again.
    """
    folder = folder_of(stage, **inputs)
    lock = folder.with_suffix(".lock")
    WORK.mkdir(parents=True, exist_ok=True)
    with held(lock, str(folder)):
        folder.mkdir(exist_ok=True)
        forget_partial_files(folder)  # each kill in the middle of a checkpoint leaves one, as large as the checkpoint
        yield folder
        _remove(folder, lock)


class Work(NamedTuple):
    """A working folder on disk, of a stage that runs, or of one that was killed and will be resumed."""

    stage: str
    """The argument of ``working_folder``: ``dump-lse-1``."""
    folder: Path
    running: bool


def work_folders() -> list[Work]:
    """Return the working folders on disk, the last changed last, without writing or locking anything."""
    folders = [path for path in WORK.glob("*-*") if path.is_dir()]
    return [
        Work(folder.name.rpartition("-")[0], folder, _is_held(folder.with_suffix(".lock")))
        for folder in sorted(folders, key=_changed)
    ]


def _changed(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:  # finished this very moment
        return 0.0


def _is_held(path: Path) -> bool:
    """Whether a process of this machine holds the lock, by Linux's list; False on other systems.

    Trying the lock would disturb a shared folder, whose last process must get the lock for itself.
    """
    try:
        node = path.stat().st_ino
        listed = Path("/proc/locks").read_text(encoding="utf-8")
    except OSError:
        return False
    # "1: FLOCK  ADVISORY  WRITE 708 00:13:4719 0 EOF"; waiting ones begin with "1: -> FLOCK"
    rows = [line.split() for line in listed.splitlines()]
    return any(words[1] == "FLOCK" and words[5].endswith(f":{node}") for words in rows if len(words) > 5)


@contextmanager
def shared_working_folder(stage: str, finish: Callable[[Path], bool], **inputs: Any) -> Iterator[Path]:
    """Share a working folder between several processes, each computing its share of the result.

    They enter and leave in any order. The last to leave is alone in it and calls ``finish``, which publishes the result
    and returns True, or returns False if shares are still missing; then another process will compute them.
    """
    folder = folder_of(stage, **inputs)
    lock = folder.with_suffix(".lock")
    WORK.mkdir(parents=True, exist_ok=True)
    with held(lock, str(folder), shared=True) as descriptor:
        folder.mkdir(exist_ok=True)
        yield folder
        _flock(lock, descriptor, fcntl.LOCK_UN)  # first, so that of two that leave together one gets the lock
        try:
            _flock(lock, descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return
        if _is_open_under(lock, descriptor) and finish(folder):
            _remove(folder, lock)


def _remove(folder: Path, lock: Path) -> None:
    """Delete the folder after the result has been published; failures (NFS, a full quota) do not matter then."""
    shutil.rmtree(folder, ignore_errors=True)
    with suppress(OSError):
        lock.unlink()


@contextmanager
def held(path: Path, what: str, *, shared: bool = False, wait: bool = True) -> Iterator[int]:
    """Hold a lock on a file, into which the holder is written, and yield its descriptor. ``shared``: not exclusive.

    The system releases it when the process has died, however it died, and all processes that inherited the descriptor.
    ``what`` names the locked thing in the message about waiting.

    Raises:
        BlockingIOError: without ``wait``, if another process holds the lock.
    """
    kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
    while True:
        with path.open("a+", encoding="utf-8") as lock:
            try:
                _flock(path, lock.fileno(), kind | fcntl.LOCK_NB)
            except BlockingIOError:
                message = f"{what}: another process works here ({_holder(path)})"
                if not wait:
                    raise BlockingIOError(message) from None
                print(f"{message}; waiting", file=sys.stderr, flush=True)
                _flock(path, lock.fileno(), kind)
            # The last holder may have removed the file: then the lock is on a file that nobody else can open.
            if _is_open_under(path, lock.fileno()):
                lock.truncate(0)
                lock.write(f"process {os.getpid()} on {socket.gethostname()} since {datetime.now():%Y-%m-%d %H:%M:%S}")
                lock.flush()
                yield lock.fileno()
                return


def _flock(path: Path, descriptor: int, operation: int) -> None:
    """Lock as the system does; an error (a file system without locks) names the file, which the system leaves out."""
    try:
        fcntl.flock(descriptor, operation)
    except BlockingIOError:
        raise
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from None


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
    """Return the path of an output: in the workspace, or, in a cluster's job, in the job's folder."""
    return Path(os.environ.get("ROUNDABOUT_OUTPUTS", "")) / output


def publish(finished: Path, output: Path) -> None:
    """Move a finished file or folder to the path of an output, and replace what is there (maybe a link of DVC).

    In a cluster's job that path is in the job's folder, from which the job's driver gives it to DVC.
    """
    for check in _checks:
        check()
    output = place_of(output)
    output.parent.mkdir(parents=True, exist_ok=True)
    if output.is_dir() and not output.is_symlink():
        shutil.rmtree(output)
    if finished.is_dir() and output.is_symlink():
        output.unlink()
    finished.replace(output)
