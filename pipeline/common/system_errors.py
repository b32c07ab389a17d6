"""Errors of the system in one sentence: which path, what is wrong with it, what to do.

Stages (`stages/run.py`) and commands (`commands/console.py`) print all of them from here. HDF5, torch and safetensors
hide the system's number in their texts.
"""

from __future__ import annotations

import errno
import os
import re
from pathlib import Path

_RESUMES = "then start again: what is finished is kept"
_SPACE = "free space (`make clean`, `dvc gc -w`, or `dvc cache dir` on a larger disk)"
_LOCKS = (
    "this file system has no locks; mount it with them (Lustre: `-o flock`; NFS: version 4, or lockd), or work on a "
    "local disk"
)
_OWN_FOLDER = "work in a folder of your own"
ADVICE = {
    errno.ENOSPC: f"the disk is full; {_SPACE}, {_RESUMES}",
    errno.EDQUOT: f"your quota is used up (`quota -s`); {_SPACE} or ask for more, {_RESUMES}",
    errno.EFBIG: f"files may not become so large here (`ulimit -f`, or a quota); raise the limit, {_RESUMES}",
    errno.EROFS: f"the file system is read-only; {_OWN_FOLDER}",
    errno.EACCES: f"permission is denied; look at `ls -ld`, `chmod` it, or {_OWN_FOLDER}",
    errno.EPERM: f"the system does not permit it; look at owner and mount options, or {_OWN_FOLDER}",
    errno.EMFILE: "too many files are open; raise the limit (`ulimit -n 4096`), or lower runtime.workers",
    errno.ENFILE: "too many files are open on this machine; wait, or lower runtime.workers",
    errno.ESTALE: f"the network file system has lost this file (its server restarted?); mount it again, {_RESUMES}",
    errno.ENAMETOOLONG: "the name is too long for this file system; shorten the names of runs or images",
    errno.EIO: f"the disk or the network file system fails; look at `dmesg`, {_RESUMES}",
    errno.ENOSYS: _LOCKS,
    errno.ENOLCK: _LOCKS,
    errno.EOPNOTSUPP: _LOCKS,
}
_OF_STAGES = ("runs/", "data/prepared/")  # what a stage writes for the next one, relative to the workspace
_NUMBER = re.compile(r"\[Errno (\d+)\]|errno = (\d+)|os error (\d+)|code: (\d+)")
_NAME = re.compile(r"(?:file)?name = '([^']+)'")
_NUMPY_CANNOT_WRITE = re.compile(r"^\d+ requested and \d+ written$")
_TORCH_CANNOT_WRITE = ("PytorchStreamWriter failed", "unexpected pos")


def explained(error: BaseException) -> str | None:
    """Return the sentence about an error of the system, or about one that it has caused; None of any other error."""
    for cause in _chain(error):
        number = system_number(cause)
        if number in ADVICE:
            return f"{_path(cause)}: {ADVICE[number]} ({os.strerror(number)})"
        if _NUMPY_CANNOT_WRITE.search(str(cause)):
            return f"{_path(cause)}: {ADVICE[errno.ENOSPC]} (numpy: {cause})"
        if isinstance(cause, RuntimeError) and any(words in str(cause) for words in _TORCH_CANNOT_WRITE):
            return (
                f"{_path(cause)}: a checkpoint could not be written: the disk is full or a quota is used up; {_RESUMES}"
            )
        if isinstance(cause, FileNotFoundError) and _path(cause).startswith(_OF_STAGES):
            return f"{_path(cause)}: is missing: the stage before has not run; run `dvc repro`"
    return None


def _chain(error: BaseException) -> list[BaseException]:
    """The error and what it was raised from, the innermost first: torch reports a full disk by a second error."""
    chain: list[BaseException] = []
    cause: BaseException | None = error
    while cause is not None and cause not in chain:
        chain.insert(0, cause)
        cause = cause.__cause__ or (None if cause.__suppress_context__ else cause.__context__)
    return chain


def system_number(error: BaseException) -> int:
    """Return the system's number of an error (`errno`), also where it is in the text only; 0 where there is none."""
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno
    if not isinstance(error, OSError | RuntimeError) and type(error).__name__ != "SafetensorError":
        return 0
    match = _NUMBER.search(str(error))
    return 0 if match is None else int(next(filter(None, match.groups())))


def _path(error: BaseException) -> str:
    """The file of which the error is, or the folder in which everything works."""
    name = error.filename if isinstance(error, OSError) else None
    if name is None or isinstance(name, int):
        match = _NAME.search(str(error))
        return match[1] if match else str(Path.cwd())
    return os.fsdecode(name)
