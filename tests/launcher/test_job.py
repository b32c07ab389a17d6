"""The program of a job: what it does with signals, with what it leaves, and with what has changed under it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pipeline.dvc_view.stage_inputs import StageInputs
from pipeline.launcher.job_folder import JobFolder, job_folder

ROOT = Path(__file__).resolve().parents[2]
STAGE = """
import os, signal, sys, time
from pathlib import Path
from typing import Any
def stop(number, frame):
    print("saved", flush=True)
    sys.exit(143)
signal.signal(signal.SIGTERM, stop)
print("share", os.environ.get("ROUNDABOUT_SHARE"), "params", os.environ["ROUNDABOUT_PARAMS"], flush=True)
time.sleep(float(sys.argv[1]))
for name in ("runs/x/model.pt", "runs/x/curves/a.tsv")[: int(sys.argv[2])]:
    made = Path(os.environ["ROUNDABOUT_OUTPUTS"]) / name
    made.parent.mkdir(parents=True, exist_ok=True)
    made.write_text("made")
sys.exit(int(sys.argv[3]))
"""
REQUEST: dict[str, Any] = {"restarts": 2, "container": [], "variables": []}


@pytest.fixture
def folder(inputs: StageInputs) -> JobFolder:
    """A job's folder; beside it a `scontrol` that writes down how it was called."""
    Path("scontrol").write_text('#!/bin/sh\necho "$@" >> called\n')
    Path("scontrol").chmod(0o755)
    return job_folder(inputs)


def start(
    folder: JobFolder, inputs: StageInputs, wait: float = 0, outputs: int = 2, code: int = 0, **environment: str
) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", STAGE, str(wait), str(outputs), str(code)]
    if not (folder.path / "request.json").exists():
        folder.prepare(inputs, command, REQUEST)
    path = f"{Path.cwd()}{os.pathsep}{os.environ['PATH']}"
    return subprocess.Popen(
        [sys.executable, "-m", "pipeline.launcher.job", str(folder.path)],
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONSAFEPATH": "1", "PATH": path, "SLURM_JOB_ID": "7"}
        | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def test_a_stage_that_ends_well_leaves_a_result_in_the_jobs_folder(folder: JobFolder, inputs: StageInputs) -> None:
    said, _ = (process := start(folder, inputs)).communicate(timeout=60)
    assert process.returncode == 0
    assert said == f"share None params {folder.path}/params.yaml\n"
    assert folder.is_finished()
    assert not Path("runs").exists()
    again, _ = start(folder, inputs).communicate(timeout=60)
    assert "finished already" in again


def test_a_container_that_keeps_the_environment_out_writes_into_the_jobs_folder(
    folder: JobFolder, inputs: StageInputs
) -> None:
    (folder.path / "code").mkdir(parents=True)
    stage = STAGE.replace("sys.exit(int", "print(os.environ['PYTHONPATH'], os.environ['COLOUR']); sys.exit(int")
    command = [sys.executable, "-c", stage, "0", "2", "0"]
    folder.prepare(inputs, command, REQUEST | {"container": ["env", "-i"], "variables": ["COLOUR"]})
    said, _ = (
        process := start(folder, inputs, COLOUR="a b", SLURM_ARRAY_TASK_ID="0", SLURM_ARRAY_TASK_COUNT="1")
    ).communicate(timeout=60)
    assert said == f"share 0/1 params {folder.path}/params.yaml\n{folder.path}/code a b\n"
    assert (process.returncode, folder.is_finished()) == (0, True)
    assert not Path("runs").exists()


def test_a_task_of_an_array_knows_its_share_and_is_no_result_alone(folder: JobFolder, inputs: StageInputs) -> None:
    array = {"SLURM_ARRAY_TASK_ID": "1", "SLURM_ARRAY_TASK_COUNT": "3", "SLURM_ARRAY_JOB_ID": "4"}
    said, _ = (process := start(folder, inputs, outputs=1, **array)).communicate(timeout=60)
    assert (process.returncode, folder.is_finished()) == (0, False)
    assert "share 1/3" in said


def test_an_error_of_the_stage_is_the_jobs(folder: JobFolder, inputs: StageInputs) -> None:
    process = start(folder, inputs, outputs=1, code=3)
    process.communicate(timeout=60)
    assert (process.returncode, folder.is_finished()) == (3, False)


def test_a_whole_result_counts_however_the_stage_ends_afterwards(folder: JobFolder, inputs: StageInputs) -> None:
    said, _ = (process := start(folder, inputs, code=3)).communicate(timeout=60)
    assert "its result was complete before the stage failed (code 3)" in said
    assert (process.returncode, folder.is_finished()) == (0, True)


def test_a_whole_result_of_a_killed_run_is_not_made_again(folder: JobFolder, inputs: StageInputs) -> None:
    folder.prepare(inputs, ["false"], REQUEST)
    for output in inputs.outputs:
        (folder.outputs / output).mkdir(parents=True)
    said, _ = (process := start(folder, inputs)).communicate(timeout=60)
    assert "finished already" in said
    assert (process.returncode, folder.is_finished()) == (0, True)


def test_near_the_time_limit_the_stage_saves_and_the_job_goes_back(folder: JobFolder, inputs: StageInputs) -> None:
    process = start(folder, inputs, wait=60)
    assert process.stdout.readline().startswith("share")
    process.send_signal(signal.SIGUSR1)
    said, _ = process.communicate(timeout=60)
    assert said == "saved\npretrain@x: the time limit is near; saved, and put back into the queue\n"
    assert Path("called").read_text() == "requeue 7\n"
    assert process.returncode == 0


def test_a_task_of_an_array_goes_back_alone(folder: JobFolder, inputs: StageInputs) -> None:
    array = {"SLURM_ARRAY_TASK_ID": "1", "SLURM_ARRAY_TASK_COUNT": "3", "SLURM_ARRAY_JOB_ID": "4"}
    process = start(folder, inputs, wait=60, **array)
    process.stdout.readline()
    process.send_signal(signal.SIGUSR1)
    process.communicate(timeout=60)
    assert Path("called").read_text() == "requeue 4_1\n"


def test_a_cancel_or_a_preemption_is_passed_on_and_is_slurms_to_decide(folder: JobFolder, inputs: StageInputs) -> None:
    process = start(folder, inputs, wait=60)
    process.stdout.readline()
    process.send_signal(signal.SIGTERM)
    said, _ = process.communicate(timeout=60)
    assert said == "saved\n"
    assert process.returncode == 143
    assert not Path("called").exists()


def test_data_that_were_written_anew_are_refused(folder: JobFolder, inputs: StageInputs) -> None:
    folder.prepare(inputs, ["true"], REQUEST)
    Path("data/in").write_text("other data")
    said, _ = (process := start(folder, inputs)).communicate(timeout=60)
    assert "its inputs (data/in) have been rewritten since the job was submitted; run `dvc repro` again" in said
    assert process.returncode == 1


def test_a_program_that_is_not_there_is_told(folder: JobFolder, inputs: StageInputs) -> None:
    folder.prepare(inputs, ["/no/such/container"], REQUEST)
    said, _ = (process := start(folder, inputs)).communicate(timeout=60)
    assert said.startswith("error: site.yaml: cannot start '/no/such/container' (No such file or directory)")
    assert process.returncode == 1


def test_too_many_restarts_end_it(folder: JobFolder, inputs: StageInputs) -> None:
    said, _ = (process := start(folder, inputs, SLURM_RESTART_COUNT="3")).communicate(timeout=60)
    assert "was put back into the queue 3 times, more than `restarts` in site.yaml" in said
    assert process.returncode == 1
