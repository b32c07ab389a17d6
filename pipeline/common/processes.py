"""Child processes that do not outlive their parent."""

from __future__ import annotations

import ctypes
import os
import signal
import sys


def stop_with_parent() -> None:
    """From now on this process is asked to stop (SIGTERM) when the one that started it dies, also by ``kill -9``.

    The request arrives also where a process above ignores or blocks SIGTERM, as some services do and all below inherit.
    Linux only. Elsewhere an orphan keeps its working folder's lock until it ends, and the next run waits for it.
    """
    if sys.platform != "linux":
        return
    if signal.getsignal(signal.SIGTERM) is signal.SIG_IGN:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])
    parent = os.getppid()
    set_parent_death_signal = 1  # PR_SET_PDEATHSIG, <linux/prctl.h>
    ctypes.CDLL(None).prctl(set_parent_death_signal, signal.SIGTERM)
    if os.getppid() != parent:  # it died before the request was registered
        sys.exit(128 + signal.SIGTERM)
