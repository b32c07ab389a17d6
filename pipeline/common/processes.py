"""Child processes that do not outlive their parent."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def interrupts_later() -> Iterator[None]:
    """Hold Ctrl-C back while the block starts processes: it comes at the block's end, and never to those processes.

    Python ignores a KeyboardInterrupt that is raised while it forks, so that the program would go on without it, and a
    worker that dies of one while it holds a queue's lock leaves the others waiting for ever.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def stop_with_parent() -> None:
    """Ask the system to send SIGTERM to this process when its parent dies, even by ``kill -9``.

    SIGTERM is unblocked first, for some services block or ignore it, and all their children inherit that. Linux only:
    elsewhere an orphan keeps the lock of its working folder until it ends, and the next run waits for it.
    """
    if sys.platform != "linux":
        return
    if signal.getsignal(signal.SIGTERM) is signal.SIG_IGN:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])
    parent = os.getppid()
    set_parent_death_signal = 1  # PR_SET_PDEATHSIG, <linux/prctl.h>
    ctypes.CDLL(None).prctl(set_parent_death_signal, signal.SIGTERM)
    if os.getppid() != parent:  # it died before the request took effect
        sys.exit(128 + signal.SIGTERM)
