"""Killed pipelines go on and end where an undisturbed one ends; finished ones run nothing again."""

import os
import subprocess
import sys

import pytest

from bench.pipeline import stages_run, tiny_params
from bench.workspace import ROOT, make_workspace, run, write_params

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


def test_forty_kills_lose_nothing():
    command = [sys.executable, "-m", "bench.kill", "--short", "--kills", "40"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    answer = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert answer.stdout.endswith(" kills, 0 violations\n"), answer.stdout[-5000:] + answer.stderr[-2000:]
    assert int(answer.stdout.splitlines()[-1].split()[0]) >= 40


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
