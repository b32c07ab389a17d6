"""Two processes under torchrun, as site.yaml asks: the losses and the cache of one process, and no survivors."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bench.pipeline import tiny_params
from bench.workspace import make_workspace, run
from pipeline.common.files import file_hash

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]


def curve(folder: Path, name: str) -> list[float]:
    text = (folder / "runs" / name / "curves" / "loss" / "source.tsv").read_text(encoding="utf-8")
    return [float(line.split("\t")[-1]) for line in text.splitlines()[1:]]


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """A prepared workspace in which stages run here."""
    params = tiny_params()
    params["initial_models"] = {"source-only": params["initial_models"]["source-only"]}
    params["rounds"] = {"lse-1": params["rounds"]["lse-1"]}
    params["pretrain"]["steps"] = 6
    params["runtime"] = {"device": "cpu", "workers": 1, "checkpoint_every": 2, "log_every": 1}
    make_workspace(tmp_path, params)
    run(tmp_path, "dvc", "repro", "prepare")
    return tmp_path


def test_two_processes_do_what_one_does(workspace: Path) -> None:
    launch = (sys.executable, "-m", "stages.launch")
    run(workspace, *launch, "pretrain", "--initial-model", "source-only")
    run(workspace, *launch, "dump", "--round", "lse-1")
    losses = curve(workspace, "source-only")
    cache = {path.name: file_hash(path) for path in (workspace / "runs" / "lse-1" / "cache").iterdir()}
    assert len(cache) == 2

    (workspace / "site.yaml").write_text("defaults: {processes: 2}\n")
    run(workspace, *launch, "dump", "--round", "lse-1")
    assert {path.name: file_hash(path) for path in (workspace / "runs" / "lse-1" / "cache").iterdir()} == cache
    run(workspace, *launch, "pretrain", "--initial-model", "source-only")
    assert curve(workspace, "source-only") == pytest.approx(losses, rel=1e-3)
    assert len(losses) == 6
    assert not list((workspace / ".roundabout" / "work").iterdir())


def test_processes_end_with_the_dvc_that_was_killed_and_the_next_run_resumes(workspace: Path) -> None:
    text = (workspace / "params.yaml").read_text().replace("steps: 6", "steps: 40")
    (workspace / "params.yaml").write_text(text)
    (workspace / "site.yaml").write_text("defaults: {processes: 2}\n")
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    dvc = subprocess.Popen(
        ["dvc", "repro", "-s", "pretrain@source-only"],
        cwd=workspace,
        env={**os.environ, "PATH": path, "PYTHONPATH": str(workspace), "DVC_NO_ANALYTICS": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    end = time.monotonic() + 300
    while not list((workspace / ".roundabout" / "work").glob("*/checkpoint.pt")):
        assert time.monotonic() < end
        time.sleep(0.05)
    dvc.send_signal(signal.SIGKILL)
    dvc.wait()
    while working_in(workspace):
        assert time.monotonic() < end, "processes go on without their DVC"
        time.sleep(0.1)
    answer = run(workspace, "dvc", "repro", "-s", "pretrain@source-only")
    assert "resumes at step" in answer.stdout + answer.stderr


def working_in(folder: Path) -> list[str]:
    """Processes whose current directory it is."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if (process / "cwd").resolve() == folder and "stages" in (process / "cmdline").read_text():
                found.append(process.name)
        except OSError:
            continue
    return found
