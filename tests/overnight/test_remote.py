"""Shared results: what one pushes to DVC's remote, a colleague pulls, and trains nothing."""

from __future__ import annotations

import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from bench.waiting import make_waiting_workspace, waiting_params
from bench.workspace import run
from pipeline.dvc_view.graph import changed_stages, read_graph
from pipeline.overnight.repro import reproduce
from pipeline.overnight.scheduler import Outcome
from tests.programs import program, wait_until

pytestmark = [pytest.mark.timeout(1500)]


@pytest.fixture
def bucket(tmp_path: Path, started: Callable[..., subprocess.Popen], monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The endpoint of an S3 server on loopback that has the bucket `roundabout`."""
    boto3 = pytest.importorskip("boto3")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    started([program("moto_server"), "-H", "127.0.0.1", "-p", str(port)], tmp_path, tmp_path / "moto.log")
    for name, value in {
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)

    def answers() -> bool:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return True
        return False

    wait_until(answers, 120, "the S3 server answers")
    endpoint = f"http://127.0.0.1:{port}"
    boto3.client("s3", endpoint_url=endpoint).create_bucket(Bucket="roundabout")
    yield endpoint


def workspace(folder: Path, url: str, endpoint: str | None) -> Path:
    make_waiting_workspace(folder, waiting_params({"lse": 1}))
    run(folder, "dvc", "remote", "add", "--default", "shared", url)
    if endpoint:
        run(folder, "dvc", "remote", "modify", "shared", "endpointurl", endpoint)
    return folder


def check_sharing(tmp_path: Path, url: str, monkeypatch: pytest.MonkeyPatch, endpoint: str | None = None) -> None:
    mine, log = workspace(tmp_path / "mine", url, endpoint), tmp_path / "ran.txt"
    monkeypatch.setenv("WAITING_LOG", str(log))
    run(mine, "dvc", "repro")
    run(mine, "dvc", "push", "--run-cache")
    trained = log.read_text(encoding="utf-8")

    colleague = workspace(tmp_path / "colleague", url, endpoint)
    shutil.copyfile(mine / "dvc.lock", colleague / "dvc.lock")  # git brings it
    run(colleague, "dvc", "pull")
    assert changed_stages(colleague) == {}
    assert "lse-1" in run(colleague, "roundabout", "results").stdout
    assert "Data and pipelines are up to date" in run(colleague, "dvc", "repro").stdout

    # another one, with the same params and no lock: DVC's run-cache knows the inputs
    other = workspace(tmp_path / "other", url, endpoint)
    for stage in read_graph(other):
        logs = other / ".roundabout" / "logs" / f"{stage}.log"
        assert reproduce(other, stage, other, logs, lambda line: None, pull=True).outcome is Outcome.cached, stage
    assert (other / "runs" / "lse-1" / "metrics.json").exists()
    assert log.read_text(encoding="utf-8") == trained, "nothing ran again"


@pytest.mark.slow
def test_a_folder_as_remote(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "remote").mkdir()
    check_sharing(tmp_path, str(tmp_path / "remote"), monkeypatch)


@pytest.mark.cluster
def test_s3_as_remote(tmp_path: Path, bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    check_sharing(tmp_path, "s3://roundabout/dvc", monkeypatch, bucket)
