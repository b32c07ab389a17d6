"""A round that trains otherwise: `dvc repro` trains that round, and runs what follows from it, and nothing else."""

import sys
from pathlib import Path

import pytest

from bench.pipeline import WRITE_OUTPUTS, stages_run, tiny_params
from bench.workspace import make_workspace, run, write_params
from pipeline.common.files import file_hash

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900), pytest.mark.usefixtures("warm_stages")]


def changed(name: str) -> dict:
    params = tiny_params()
    params["rounds"][name]["adapt"] = {"steps": 3}
    return params


def test_dvc_sees_the_round_s_selection_and_its_training_change(tmp_path: Path) -> None:
    """Outputs are recorded without being computed, and a dry run takes them for the same after a stage."""
    make_workspace(tmp_path, tiny_params())
    run(tmp_path, sys.executable, "-c", WRITE_OUTPUTS)
    run(tmp_path, "dvc", "commit", "--force")
    assert stages_run(run(tmp_path, "dvc", "repro", "--dry").stdout) == []
    write_params(tmp_path, changed("lse-2"))
    stages = stages_run(run(tmp_path, "dvc", "repro", "--dry").stdout)
    assert sorted(stages) == ["adapt@lse-2", "health@lse-2", "report", "selection@lse-2"]


def test_the_selection_stays_the_same_so_that_the_patches_do_not_run(tmp_path: Path) -> None:
    make_workspace(tmp_path, tiny_params())
    selection, curve = (
        tmp_path / "runs/lse-1" / path for path in ("selection/selection.json", "curves/loss/patches.tsv")
    )
    run(tmp_path, "dvc", "repro", "adapt@lse-1")
    before = file_hash(selection)
    write_params(tmp_path, changed("lse-1"))
    assert stages_run(run(tmp_path, "dvc", "repro", "adapt@lse-1").stdout) == ["selection@lse-1", "adapt@lse-1"]
    assert file_hash(selection) == before
    *_, last = curve.read_text(encoding="utf-8").splitlines()
    assert last.split("\t")[0] == "3", "the step of the last point"
