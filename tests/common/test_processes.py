"""A child is asked to stop when its parent is killed, whatever the parent's own parents did to signals."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the parent-death signal is Linux's")

CHILD = """
import time
from pipeline.common.processes import stop_with_parent
stop_with_parent()
print("ready", flush=True)
time.sleep(60)
"""
PARENT = """
import signal, subprocess, sys
{above}
child = subprocess.Popen([sys.executable, "-c", sys.argv[1]])
print(child.pid, flush=True)
child.wait()
"""
ABOVE = {
    "plain": "",
    "ignored": "signal.signal(signal.SIGTERM, signal.SIG_IGN)",
    "blocked": "signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])",
}


@pytest.mark.parametrize("above", ABOVE)
def test_a_child_stops_when_its_parent_is_killed(above: str) -> None:
    command = [sys.executable, "-c", PARENT.format(above=ABOVE[above]), CHILD]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        assert parent.stdout.readline() == "ready\n"
        parent.send_signal(signal.SIGKILL)
        try:
            # the child holds the other end of the pipe: it closes when the child has died, long before it has slept
            parent.communicate(timeout=20)
        except subprocess.TimeoutExpired:
            os.kill(child, signal.SIGKILL)
            raise


INTERRUPTED = """
import os, signal
from concurrent.futures import ProcessPoolExecutor
from pipeline.common.processes import interrupts_later

def blocked():
    return signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, [])

signal.signal(signal.SIGINT, signal.default_int_handler)  # shells start what runs in the background without it
os.register_at_fork(after_in_parent=lambda: os.kill(os.getpid(), signal.SIGINT))
try:
    with ProcessPoolExecutor(1) as pool:
        try:
            with interrupts_later():
                answer = pool.submit(blocked)
        finally:
            print(answer.result(), blocked(), end=" ")
except KeyboardInterrupt:
    print("interrupted")
"""


def test_an_interrupt_while_processes_start_is_neither_lost_nor_theirs() -> None:
    answer = subprocess.run([sys.executable, "-c", INTERRUPTED], capture_output=True, text=True, check=True, timeout=60)
    assert answer.stdout == "True False interrupted\n"
