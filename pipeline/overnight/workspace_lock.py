"""One night at a time in a workspace, however it was started: two would rewrite each other's seeds."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.common.errors import ReadableError
from pipeline.common.work import held


class AnotherNightError(ReadableError):
    """Another night is running in the workspace."""


@contextmanager
def night_lock(root: Path) -> Iterator[None]:
    """Lock the workspace for one night while the block runs.

    Raises:
        AnotherNightError: while another night runs here.
    """
    lock = root / ".roundabout" / "night.lock"
    lock.parent.mkdir(exist_ok=True)
    began = False
    try:
        with held(lock, f"{root}: overnight", wait=False):
            began = True
            yield
    except BlockingIOError as error:
        if began:
            raise
        raise AnotherNightError(f"{error}; let that night end, or end it and start again") from None
