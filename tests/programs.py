"""A Prefect server on loopback, workspaces whose stages wait, and one stage's inputs as DVC would describe them."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from bench.waiting import make_waiting_workspace, waiting_params
from pipeline.dvc_view.stage_inputs import StageInputs

SETTINGS = {
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_CLOUD_ENABLE_ORCHESTRATION_TELEMETRY": "false",
    "PREFECT_TELEMETRY_ENABLE_RESOURCE_METRICS": "false",
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "90",
}


def wait_until(true: Callable[[], object], seconds: float, what: str, process: subprocess.Popen | None = None) -> float:
    """Waits for something to become true; answers how long it took."""
    began = time.monotonic()
    while not true():
        assert process is None or process.poll() is None, f"the process ended while waiting until {what}"
        assert time.monotonic() - began < seconds, f"waited {seconds} s in vain until {what}"
        time.sleep(0.5)
    return time.monotonic() - began


def program(name: str) -> str:
    return str(Path(sys.executable).parent / name)


def environment(workspace: Path, **extra: str) -> dict[str, str]:
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    return {**os.environ, **SETTINGS, "PATH": path, "PYTHONPATH": str(workspace), "DVC_NO_ANALYTICS": "1", **extra}


@pytest.fixture
def started() -> Iterator[Callable[..., subprocess.Popen]]:
    """Starts processes in groups of their own, which end with the test."""
    processes = []

    def start(command: list[str], folder: Path, log: Path, **extra: str) -> subprocess.Popen:
        with log.open("w") as file:
            process = subprocess.Popen(
                command, cwd=folder, env=environment(folder, **extra), stdout=file, stderr=subprocess.STDOUT,
                start_new_session=True,
            )  # fmt: skip
        processes.append(process)
        return process

    yield start
    for process in reversed(processes):
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            process.wait(5)  # it does not hear SIGTERM where that is blocked above
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@pytest.fixture
def server(tmp_path: Path, started: Callable[..., subprocess.Popen]) -> dict[str, str]:
    """The environment of programs that use a Prefect server, which listens on loopback only."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    home = tmp_path / "prefect"
    home.mkdir()
    command = [program("prefect"), "server", "start", "--host", "127.0.0.1", "--port", str(port)]
    process = started(command, home, tmp_path / "server.log", PREFECT_HOME=str(home))
    address = f"http://127.0.0.1:{port}/api"

    def healthy() -> bool:
        with suppress(OSError), urllib.request.urlopen(f"{address}/health", timeout=5) as answer:
            return answer.status == 200
        return False

    wait_until(healthy, 180, "the server answers", process)
    return {"PREFECT_HOME": str(home), "PREFECT_API_URL": address}


@pytest.fixture
def waiting(tmp_path: Path) -> Path:
    """A workspace with one round of lse whose nine stages wait WAITING_SECONDS and write down that they ran."""
    folder = tmp_path / "night"
    make_waiting_workspace(folder, waiting_params({"lse": 1}))
    return folder


@pytest.fixture
def inputs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StageInputs:
    """pretrain@x, which reads data/in and makes a file and a folder; the current directory is its workspace."""
    monkeypatch.chdir(tmp_path)
    for name in ("pipeline", "stages", "data"):
        Path(name).mkdir()
    Path("data/in").write_text("data")
    Path("params.yaml").write_text("seed: 1\n")
    return StageInputs("pretrain@x", "0123456789abcdef", ("data/in",), ("runs/x/model.pt", "runs/x/curves"), False)
