"""A process that has imported torch and is copied for each stage: tests of whole pipelines do not wait for imports.

A module asks for it with ``pytest.mark.usefixtures("warm_stages")``. DVC then finds a ``python`` first on its PATH that
hands ``-m stages.…`` to the process here and waits; everything else runs on the real Python. Each stage is still a
process of its own with the workspace's code, only the libraries are there already. Tests of killed processes do
without: their signals must reach the stage.
"""

from __future__ import annotations

import atexit
import json
import os
import runpy
import signal
import socket
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bench import workspace

SOCKET = "ROUNDABOUT_TESTS_WARM_STAGES"
LIBRARIES = (
    "torch",
    "torch._dynamo",
    "torchvision",
    "timm",
    "h5py",
    "numba",
    "pydantic",
    "jinja2",
    "PIL.Image",
    "ruamel.yaml",
)
STANDARD_FILES = (0, 1, 2)

# Without site-packages it starts in 20 ms. The paths are filled in below.
SHIM = """#!{python} -IS
import json, os, socket, sys
arguments = sys.argv[1:]
if arguments[:1] != ["-m"] or not arguments[1].startswith("stages."):
    os.execv({python!r}, [{python!r}, *arguments])
with socket.socket(socket.AF_UNIX) as server:
    server.connect(os.environ[{socket!r}])
    request = json.dumps([arguments[1:], os.getcwd(), dict(os.environ)]).encode()
    socket.send_fds(server, [len(request).to_bytes(4, "little")], [0, 1, 2])
    server.sendall(request)
    code = server.recv(1)
sys.exit(code[0] if code else 1)
"""


@pytest.fixture(scope="session")
def _warm_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Return the folder of the ``python`` that asks the warm process."""
    folder = tmp_path_factory.mktemp("warm")
    address = folder / "socket"
    shim = folder / "python"
    shim.write_text(SHIM.format(python=sys.executable, socket=SOCKET), encoding="utf-8")
    shim.chmod(0o755)
    # OMP_NUM_THREADS=1: a process with threads cannot be copied safely
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(workspace.ROOT)}
    command = [sys.executable, "-m", "tests.warm_stages", str(address), str(shim)]
    with subprocess.Popen(command, env=environment, cwd=workspace.ROOT) as process:
        began = time.monotonic()
        while not address.exists():
            assert process.poll() is None and time.monotonic() - began < 120, "the warm process does not answer"
            time.sleep(0.05)
        yield folder
        process.kill()


@pytest.fixture(scope="module")
def warm_stages(_warm_process: Path) -> Iterator[None]:
    """Let `bench.workspace.run` run the stages of this module's tests in copies of the warm process."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(SOCKET, str(_warm_process / "socket"))
        patch.setattr(workspace, "FIRST_ON_PATH", [str(_warm_process)])
        yield


def _serve(address: Path, shim: str) -> None:
    """Copy this process for every request."""
    for name in LIBRARIES:
        __import__(name)
    assert threading.active_count() == 1
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(address.with_suffix(".new")))
        server.listen()
        address.with_suffix(".new").rename(address)
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the waiting copies
        while True:
            connection, _ = server.accept()
            with connection:
                if os.fork() == 0:
                    server.close()
                    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                    _wait_for_a_stage(connection, shim)
                    os._exit(0)


def _wait_for_a_stage(connection: socket.socket, shim: str) -> None:
    """Run the stage in a copy of its own and answer its exit code."""
    head, files, *_ = socket.recv_fds(connection, 4, len(STANDARD_FILES))
    request = b""
    while len(request) < int.from_bytes(head, "little"):
        request += connection.recv(1 << 16)
    stage = os.fork()
    if stage == 0:
        connection.close()
        for own, given in zip(STANDARD_FILES, files, strict=True):
            os.dup2(given, own)
            os.close(given)
        os._exit(_run(*json.loads(request), shim))
    code = os.waitstatus_to_exitcode(os.waitpid(stage, 0)[1])
    connection.sendall(bytes([code % 256]))


def _run(arguments: list[str], folder: str, environment: dict[str, str], shim: str) -> int:
    """Do what ``python -m`` does; return the exit code."""
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.path[:0] = [folder, *filter(None, environment.get("PYTHONPATH", "").split(os.pathsep))]
    sys.executable = shim  # what launches a stage finds the warm process again
    for name in [name for name in sys.modules if name.split(".")[0] in ("pipeline", "stages", "bench", "tests")]:
        del sys.modules[name]  # this checkout's; the workspace has its own
    sys.argv = arguments
    code = _exit_code(arguments[0])
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    return code


def _exit_code(module: str) -> int:
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    except SystemExit as end:
        answer: Any = end.code
        if not isinstance(answer, int | None):
            print(answer, file=sys.stderr)
            return 1
        return answer or 0
    except BaseException:
        traceback.print_exc()
        return 1
    return 0


if __name__ == "__main__":
    _serve(Path(sys.argv[1]), sys.argv[2])
