"""Builds and drives the C library that kills a process at its n-th file operation."""

from __future__ import annotations

import ctypes
import functools
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

SOURCE = Path(__file__).with_suffix(".c")
LIBRARY = "ROUNDABOUT_FILE_OPERATIONS"


def load_before_everything() -> bool:
    """Start this program again with the library; return False where it cannot be built (no gcc)."""
    if LIBRARY in os.environ:
        return True
    if shutil.which("gcc") is None:
        return False
    key = hashlib.sha256(SOURCE.read_bytes()).hexdigest()[:12]
    library = Path(tempfile.gettempdir()) / f"file-operations-{key}-{os.getpid()}.so"
    subprocess.run(["gcc", "-O1", "-shared", "-fPIC", "-o", library, SOURCE, "-ldl"], check=True)
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # stages find their modules compiled
    os.environ |= {LIBRARY: str(library), "LD_PRELOAD": str(library), "OMP_NUM_THREADS": "1"}
    return os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])


@functools.cache
def _library() -> ctypes.CDLL | None:
    path = os.environ.get(LIBRARY)
    return None if path is None else ctypes.CDLL(path)


def kill_at(folder: Path, file: str, number: int, torn: bool, report: int) -> None:
    """Count this process's operations below a folder from now on, and let the n-th kill it (0: none).

    ``file``: only those on files of that name count; "": all.
    """
    library = _library()
    if library is not None:
        library.kill_at(str(folder).encode(), file.encode(), ctypes.c_long(number), int(torn), report)


def operations() -> int:
    """Return how many operations there were since."""
    library = _library()
    return 0 if library is None else int(library.operations())
