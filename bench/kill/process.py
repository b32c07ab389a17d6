"""`dvc repro` in a copy of this process, whose stages are copies of it in turn: nobody waits for imports.

The tree of processes is that of a real `dvc repro`: DVC is the parent of its stage, which is one process, for the
launcher becomes the stage. Copies ask before they go on, so that whoever started them decides when which one is killed.
"""

from __future__ import annotations

import atexit
import gc
import json
import os
import runpy
import shlex
import signal
import socket
import sys
import threading
import traceback
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

from bench.kill import file_operations

# dvc.*: what a `repro` imports
LIBRARIES = ("torch", "torch._dynamo", "torchvision", "h5py", "numba", "pydantic", "jinja2", "PIL.Image", "ruamel.yaml")
LIBRARIES += ("dvc.cli", "dvc.repo", "dvc.repo.reproduce", "dvc.commands.repro", "dvc.stage.run", "dvc_data.index")
_BYTES = 1 << 16
MODULES = "ROUNDABOUT_MODULES"
"""Names the file into which a copy writes what it has imported."""
OURS = ("pipeline", "stages", "bench", "tests")


def import_libraries(names: Iterable[str] = LIBRARIES) -> None:
    """Import what DVC and the stages need, once; this process must keep to one thread."""
    for name in names:
        if name.split(".")[0] not in (*OURS, "__main__"):
            with suppress(Exception):  # a module that is made while a program runs
                __import__(name)
    if threading.active_count() > 1:
        raise RuntimeError("a library has started a thread: this process cannot be copied safely")


class Copy:
    """A `dvc repro` that runs in a copy of this process."""

    def __init__(self, folder: Path, log: Path) -> None:
        self.socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        sys.stdout.flush()
        sys.stderr.flush()
        self.pid = os.fork()
        if self.pid == 0:
            self.socket.close()
            _become_dvc(folder, log, theirs)
        theirs.close()

    def message(self, seconds: float | None) -> dict[str, Any] | None:
        """Return the next message, or None if there is none for so long.

        ``begin`` and ``end`` are a stage's, ``saving`` and ``saved`` DVC's after it, ``fault`` is the last one of a
        process that a file operation kills; ``gone``: all processes are.
        """
        self.socket.settimeout(seconds)
        try:
            text = self.socket.recv(_BYTES)
        except TimeoutError:
            return None
        except ConnectionResetError:
            text = b""
        return json.loads(text) if text else {"what": "gone"}

    def answer(self, pid: int, number: int, torn: bool, file: str = "") -> None:
        """Let a copy go on, to its n-th file operation (0: to its end)."""
        try:
            self.socket.send(json.dumps({"to": pid, "number": number, "torn": torn, "file": file}).encode())
        except (BrokenPipeError, ConnectionResetError):
            return  # it has been killed


def _become_dvc(folder: Path, log: Path, connection: socket.socket) -> NoReturn:
    os.setsid()
    _fresh_process(folder)
    with log.open("ab") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    _Stages.connection, _Stages.folder = connection, folder
    import dvc.stage.run

    dvc.stage.run.subprocess = _Stages  # type: ignore[assignment]
    sys.argv = ["dvc", "repro"]
    from dvc.cli import main

    def work() -> int:
        code: int = main(["repro"])
        _tell_operations("saved")
        return code

    _end(work)


def _fresh_process(folder: Path) -> None:
    """Forget what an exec would forget."""
    gc.freeze()  # an object of the parent that is collected here would close a file of this process
    atexit._clear()
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.chdir(folder)
    os.environ |= {"PYTHONPATH": str(folder), "DVC_NO_ANALYTICS": "1", "SHELL": "/bin/sh"}
    os.environ["DVC_SITE_CACHE_DIR"] = str(folder / ".dvc" / "site")  # within reach of the faults
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    sys.path[:0] = [str(folder)]


def _end(work: Any) -> NoReturn:
    """Do what an interpreter does at its end, and leave."""
    code: Any = 1
    try:
        code = work()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int | None) else print(end.code, file=sys.stderr) or 1
    except KeyboardInterrupt:
        code = 130
    except BaseException:
        traceback.print_exc()
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    if MODULES in os.environ:
        with Path(os.environ[MODULES]).open("a", encoding="utf-8") as file:
            file.writelines(f"{name}\n" for name in list(sys.modules))
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code or 0)


class _Stages:
    """What `dvc.stage.run` uses of `subprocess`."""

    connection: socket.socket
    folder: Path

    class Popen:
        """A stage, in a copy of DVC's process."""

        returncode: int

        def __init__(self, command: list[str], env: dict[str, str], **_: Any) -> None:
            self.stage = env["DVC_STAGE"]
            _tell_operations("saved")
            sys.stdout.flush()
            self.pid = os.fork()
            if self.pid == 0:
                _become_stage(shlex.split(command[-1])[3:], self.stage, env)

        def communicate(self) -> None:
            self.returncode = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
            _ask({"what": "saving", "stage": self.stage, "pid": os.getpid(), "code": self.returncode})


def _ask(message: dict[str, Any]) -> None:
    """Send a message, and wait until it is answered."""
    file_operations.kill_at(Path(), "", 0, False, -1)
    _Stages.connection.send(json.dumps(message).encode())
    while True:
        answer = json.loads(_Stages.connection.recv(_BYTES) or os._exit(1))
        if answer["to"] == os.getpid():
            break
    report = _Stages.connection.fileno()
    file_operations.kill_at(_Stages.folder, answer["file"], answer["number"], answer["torn"], report)


def _tell_operations(what: str, **also: Any) -> None:
    message = {"what": what, "pid": os.getpid(), "operations": file_operations.operations(), **also}
    _Stages.connection.send(json.dumps(message).encode())


def _become_stage(arguments: list[str], stage: str, environment: dict[str, str]) -> NoReturn:
    _fresh_process(_Stages.folder)
    os.environ.clear()
    os.environ.update(environment)
    os.execvpe = _instead_of_exec  # type: ignore[assignment]
    _ask({"what": "begin", "stage": stage, "pid": os.getpid()})
    _end(lambda: _run_module(arguments, stage))


def _run_module(arguments: list[str], stage: str) -> None:
    for name in [name for name in sys.modules if name.split(".")[0] in OURS]:
        if name not in (__name__, file_operations.__name__):
            del sys.modules[name]  # the workspace has its own
    sys.argv = arguments
    try:
        runpy.run_module(arguments[0], run_name="__main__", alter_sys=True)
    finally:
        _tell_operations("end", stage=stage)


def _instead_of_exec(_program: str, command: list[str], environment: dict[str, str]) -> NoReturn:
    """Let the launcher become the stage, as it does by exec."""
    stage = environment["DVC_STAGE"]
    os.environ.update(environment)
    _end(lambda: _run_module(command[2:], stage))
