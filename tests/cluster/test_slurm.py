"""The launcher on a real Slurm: nothing is lost, nothing runs twice."""

from __future__ import annotations

import json
import os
import random
import re
import signal
import subprocess
import time

import pytest
from on_slurm import Workspace, ask, until

from bench.pipeline import stages_run
from bench.workspace import write_params
from pipeline.common.files import file_hash

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(1500)]

PRETRAIN = "pretrain@source-only"


def state_of(number: str) -> str:
    return re.search(r"JobState=(\S+)", ask("scontrol", "--oneliner", "show", "job", number)).group(1)


def job_of(workspace: Workspace, stage: str = "pretrain") -> str:
    return until(lambda: workspace.jobs(stage), f"a job of {stage}")[-1]


def test_a_whole_run_on_the_cluster_leaves_nothing_to_run_here(workspace: Workspace) -> None:
    workspace.params["pretrain"]["steps"] = 4
    write_params(workspace.folder, workspace.params)
    workspace.site(stages={"dump": {"shards": 2}, "adapt": {"gpus": 2}})
    said = workspace.repro()
    assert "job" in said
    for stage in ("pretrain", "dump", "adapt", "health", "evaluate"):
        assert workspace.jobs(stage), f"{stage} was no job"
    assert re.search(r"gres[:/]gpu[:=]1", ask("scontrol", "--oneliner", "show", "job", job_of(workspace)))
    (workspace.folder / "site.yaml").unlink()
    assert stages_run(workspace.repro()) == []
    workspace.site(time=5)
    assert stages_run(workspace.repro()) == [], "resources are no stage's dependency"
    assert json.loads((workspace.folder / "runs" / "lse-1" / "metrics.json").read_text())["mIoU"] >= 0


def test_a_driver_that_is_killed_at_any_moment_loses_nothing_and_submits_nothing_twice(workspace: Workspace) -> None:
    workspace.params["pretrain"]["steps"] = 600  # long enough for all the kills
    write_params(workspace.folder, workspace.params)
    workspace.repro("prepare")
    draw = random.Random(5)
    for kill in range(10):
        driver = workspace.start("dvc", "repro", PRETRAIN)
        time.sleep(draw.uniform(0.5, 6.0))
        assert driver.poll() is None, "the job was over too soon for this to be a test"
        # every second time only dvc: the launcher below it must not go on as a second driver
        (os.killpg if kill % 2 else os.kill)(driver.pid, signal.SIGKILL)
        driver.wait()
    workspace.repro(PRETRAIN)
    assert len(workspace.jobs("pretrain")) == 1
    assert stages_run(workspace.repro(PRETRAIN)) == []


def test_a_result_is_not_lost_when_dvc_dies_before_it_records_it(workspace: Workspace) -> None:
    workspace.repro("prepare")
    driver = workspace.start("dvc", "repro", PRETRAIN)
    published = until(
        lambda: list((workspace.folder / ".roundabout" / "jobs").glob("*/published.json")), "publishing", 600
    )
    os.killpg(driver.pid, signal.SIGKILL)
    driver.wait()
    lock = workspace.folder / "dvc.lock"
    lock.write_text(re.sub(r"  pretrain@source-only:\n(    .*\n)*", "", lock.read_text()))  # whatever it got to
    for made in (workspace.folder / "runs" / "source-only").iterdir():
        if made.is_file():
            made.unlink()
    assert published[0].exists()
    code, _ = workspace.run("dvc", "repro", "--no-run-cache", PRETRAIN)
    assert code == 0
    assert len(workspace.jobs("pretrain")) == 1
    assert (workspace.folder / "runs" / "source-only" / "model.pt").exists()
    # who wants it anew gets it anew
    workspace.repro("-f", "-s", PRETRAIN)
    assert len(workspace.jobs("pretrain")) == 2


def test_a_finished_result_is_taken_by_the_next_driver(workspace: Workspace) -> None:
    workspace.repro("prepare")
    driver = workspace.start("dvc", "repro", PRETRAIN)
    number = job_of(workspace)
    os.killpg(driver.pid, signal.SIGKILL)
    driver.wait()
    until(lambda: state_of(number) == "COMPLETED", "the job goes on without a driver", 600)
    assert not (workspace.folder / "runs" / "source-only" / "model.pt").exists(), "a job writes nothing into DVC's outs"
    workspace.repro(PRETRAIN)
    assert workspace.jobs("pretrain") == [number]
    assert (workspace.folder / "runs" / "source-only" / "model.pt").exists()


def test_a_cancelled_job_is_a_clear_error_and_the_next_run_goes_on_from_its_checkpoint(workspace: Workspace) -> None:
    workspace.repro("prepare")
    driver = workspace.start("dvc", "repro", PRETRAIN)
    number = job_of(workspace)
    until(workspace.checkpoint, "a checkpoint")
    ask("scancel", number)
    said = driver.communicate(timeout=120)[0]
    assert driver.returncode != 0
    assert f"job {number} was cancelled (scancel)" in said
    assert "`dvc repro` submits it again, and it goes on from there" in said
    until(lambda: state_of(number) == "CANCELLED", "the end of the job")
    assert "resumes at step" in workspace.repro(PRETRAIN)
    assert len(workspace.jobs("pretrain")) == 2


def test_a_job_that_is_put_back_resumes_and_ends_as_an_uninterrupted_run_here(workspace: Workspace) -> None:
    workspace.repro("prepare")
    driver = workspace.start("dvc", "repro", PRETRAIN)
    number = job_of(workspace)
    until(workspace.checkpoint, "a checkpoint")
    ask("scancel", "--signal=USR1", "--batch", number)  # what Slurm sends when the limit is near
    run_at_once(number)
    said = driver.communicate(timeout=900)[0]
    assert driver.returncode == 0, said
    assert "the time limit is near; saved, and put back into the queue" in said
    assert "resumes at step" in said
    assert workspace.jobs("pretrain") == [number]
    model = workspace.folder / "runs" / "source-only" / "model.pt"
    of_the_job = file_hash(model)
    (workspace.folder / "site.yaml").unlink()
    workspace.repro("-f", "-s", PRETRAIN)
    assert file_hash(model) == of_the_job


def test_slurms_own_signal_before_the_time_limit_puts_the_job_back(workspace: Workspace) -> None:
    workspace.params["pretrain"]["steps"] = 100_000
    write_params(workspace.folder, workspace.params)
    workspace.repro("prepare")
    workspace.site(time=2, grace=30)
    driver = workspace.start("dvc", "repro", PRETRAIN)
    number = job_of(workspace)
    run_at_once(number)
    line = next(line for line in driver.stdout if "resumes at step" in line)
    assert int(re.search(r"resumes at step (\d+)", line).group(1)) > 0
    assert workspace.jobs("pretrain") == [number]
    ask("scancel", number)
    assert "was cancelled" in driver.communicate(timeout=120)[0]


def run_at_once(number: str) -> None:
    """Waits until the job is back in the queue, where Slurm would leave it for two minutes.

    Not in the second in which it left its node: Slurm takes that start for the one that it has just ended.
    """
    until(lambda: state_of(number) == "PENDING", "the job is back in the queue", 300)
    ask("scontrol", "update", f"jobid={number}", "starttime=now+3")


def test_a_job_on_a_drained_node_waits_and_says_why(workspace: Workspace) -> None:
    workspace.repro("prepare")
    node = ask("sinfo", "--noheader", "--format=%n").split()[0]
    subprocess.run(["scontrol", "update", f"nodename={node}", "state=drain", "reason=test"], check=True)
    try:
        driver = workspace.start("dvc", "repro", PRETRAIN)
        lines = []
        while not any("waits: " in line and "its turn" not in line for line in lines):
            line = driver.stdout.readline()
            assert line, "".join(lines)
            lines.append(line)
        assert "DRAINED" in lines[-1].upper() or "NotAvail" in lines[-1] or "Resources" in lines[-1]
    finally:
        subprocess.run(["scontrol", "update", f"nodename={node}", "state=resume"], check=True)
    said = driver.communicate(timeout=900)[0]
    assert driver.returncode == 0, said


def test_a_second_driver_is_told_who_holds_the_stage(workspace: Workspace) -> None:
    workspace.repro("prepare")
    first = workspace.start("dvc", "repro", PRETRAIN)
    job_of(workspace)
    # what DVC would start on another host, where its own lock does not reach
    second = workspace.start(
        "env", f"DVC_STAGE={PRETRAIN}", "python", "-m", "stages.launch", "pretrain", "--initial-model", "source-only"
    )
    line = second.stdout.readline()
    assert re.search(r"pretrain@source-only: another process works here \(process \d+ on \S+ since \d{4}-", line), line
    said = first.communicate(timeout=900)[0]
    assert first.returncode == 0, said
    assert second.wait(timeout=60) == 0, second.stdout.read()
    assert len(workspace.jobs("pretrain")) == 1
