"""Which GPUs of this machine a stage sees: the machine's GPUs, shared evenly among the slots."""

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
    """The GPUs that this process may use: as CUDA_VISIBLE_DEVICES says, else all that nvidia-smi finds."""
    named = os.environ.get(_VISIBLE)
    if named is not None:
        return [name for name in named.split(",") if name.strip()]
    if shutil.which("nvidia-smi") is None:
        return []
    command = ["nvidia-smi", "--query-gpu=index", "--format=csv,noheader"]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    return answer.stdout.split() if answer.returncode == 0 else []


def shares(gpus: Sequence[str], slots: int) -> list[str]:
    """What each slot sees: as many GPUs as every slot can have. Empty where one slot has them all, or too few exist."""
    each = len(gpus) // slots if slots else 0
    if slots < 2 or each < 1:
        return []
    return [",".join(gpus[slot * each : (slot + 1) * each]) for slot in range(slots)]


@contextmanager
def share_of_gpus(slots: int) -> Iterator[dict[str, str]]:
    """The environment of a stage that has a slot: GPUs that no other stage of this user on this machine has.

    Locked by a file, so that a flow that dies gives them back at once.
    """
    wanted = shares(gpus_here(), slots)
    if not wanted:
        yield {}
        return
    folder = Path(tempfile.gettempdir()) / f"roundabout-gpus-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    while True:
        for share in wanted:
            with (folder / f"{share}.lock").open("a") as lock, suppress(BlockingIOError):
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                yield {_VISIBLE: share}
                return
        time.sleep(1)  # another flow's stage has kept its GPU longer than its slot
