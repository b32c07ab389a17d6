"""`kill -9` in the middle of training: the next `dvc repro` resumes, and ends where an uninterrupted run ends."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bench.pipeline import stages_run, tiny_params
from bench.workspace import make_workspace, run, write_params
from pipeline.common.files import file_hash, read_json

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


def killable_params():
    params = tiny_params()
    params["rounds"] = {"lse-1": params["rounds"]["lse-1"]}
    params["initial_models"] = {"source-only": params["initial_models"]["source-only"]}
    params["pretrain"]["steps"] = 60
    params["adapt"]["steps"] = 60
    params["runtime"] = {"device": "cpu", "workers": 1, "checkpoint_every": 5, "log_every": 5}
    return params


def start_repro(folder: Path) -> subprocess.Popen:
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    environment = {**os.environ, "PATH": path, "PYTHONPATH": str(folder), "DVC_NO_ANALYTICS": "1"}
    return subprocess.Popen(
        ["dvc", "repro"], cwd=folder, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        start_new_session=True,
    )  # fmt: skip


def wait_for_checkpoint(folder: Path, stage: str, process: subprocess.Popen) -> None:
    deadline = time.monotonic() + 300
    while not list((folder / ".roundabout" / "work").glob(f"{stage}-*/checkpoint.pt")):
        assert process.poll() is None, "dvc ended before it could be killed"
        assert time.monotonic() < deadline, f"{stage} wrote no checkpoint"
        time.sleep(0.02)


def results(folder: Path) -> tuple:
    runs = [folder / "runs" / name for name in ("source-only", "lse-1")]
    return [(file_hash(path / "model.pt"), read_json(path / "metrics.json")) for path in runs]


def curve_steps(folder: Path, name: str, curve: str) -> list[str]:
    text = (folder / "runs" / name / "curves" / "loss" / f"{curve}.tsv").read_text(encoding="utf-8")
    return [line.split("\t")[0] for line in text.splitlines()[1:]]


def test_killed_runs_end_where_an_uninterrupted_one_ends(tmp_path):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    make_workspace(whole, killable_params())
    run(whole, "dvc", "repro")

    make_workspace(killed, killable_params())
    process = start_repro(killed)
    wait_for_checkpoint(killed, "pretrain-source-only", process)
    os.kill(process.pid, signal.SIGKILL)  # dvc alone: its stage must not go on as a second writer
    process.wait()

    process = start_repro(killed)
    wait_for_checkpoint(killed, "adapt-lse-1", process)
    os.killpg(process.pid, signal.SIGKILL)  # dvc and the stage: nothing gets a chance to save
    process.wait()

    answer = run(killed, "dvc", "repro")
    assert "resumes at step" in answer.stdout + answer.stderr
    assert "pretrain@source-only" not in [
        line.split("'")[1] for line in answer.stdout.splitlines() if line.startswith("Running stage")
    ]
    assert results(killed) == results(whole)
    assert curve_steps(killed, "lse-1", "patches") == curve_steps(whole, "lse-1", "patches")
    assert not list((killed / ".roundabout" / "work").glob("*")), "finished work leaves nothing behind"


@pytest.mark.usefixtures("warm_stages")
def test_a_no_op_runs_nothing_and_a_portion_runs_its_round_and_those_after(tmp_path):

    params = tiny_params()
    make_workspace(tmp_path, params)
    run(tmp_path, "dvc", "repro")
    assert stages_run(run(tmp_path, "dvc", "repro").stdout) == []
    params["rounds"]["lse-2"]["portion"] = 1.0
    write_params(tmp_path, params)
    again = stages_run(run(tmp_path, "dvc", "repro").stdout)
    assert {"selection@lse-2", "adapt@lse-2", "dump@lse-3", "adapt@lse-3", "report"} <= set(again)
    assert not [stage for stage in again if stage.endswith(("@lse-1", "@source-only", "@oracle")) or stage == "prepare"]
