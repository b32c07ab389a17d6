"""Which GPUs of this machine a stage sees: they are shared evenly among the slots."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

_VISIBLE = "CUDA_VISIBLE_DEVICES"


def gpus_here() -> list[str]:
    """Return the GPUs that this process may use: those of CUDA_VISIBLE_DEVICES, else all that nvidia-smi lists."""
    visible = os.environ.get(_VISIBLE)
    if visible is not None:
        return [name for name in visible.split(",") if name.strip()]
    if shutil.which("nvidia-smi") is None:
        return []
    command = ["nvidia-smi", "--query-gpu=index", "--format=csv,noheader"]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    return answer.stdout.split() if answer.returncode == 0 else []


def shares(gpus: Sequence[str], slots: int) -> list[str]:
    """Return the GPUs of each slot, equally many. Empty if one slot has them all, or if there are too few."""
    each = len(gpus) // slots if slots else 0
    if slots < 2 or each < 1:
        return []
    return [",".join(gpus[slot * each : (slot + 1) * each]) for slot in range(slots)]


@contextmanager
def share_of_gpus(slots: int) -> Iterator[dict[str, str]]:
    """Yield the environment of a stage with a slot: GPUs that no other stage of this user on this machine has.

    They are locked by a file, so that they are free at once when the flow dies.
    """
    choices = shares(gpus_here(), slots)
    if not choices:
        yield {}
        return
    folder = Path(tempfile.gettempdir()) / f"roundabout-gpus-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    while True:
        for share in choices:
            with (folder / f"{share}.lock").open("a") as lock, suppress(BlockingIOError):
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                yield {_VISIBLE: share}
                return
        time.sleep(1)  # another flow's stage has kept its GPU longer than its slot
