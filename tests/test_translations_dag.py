"""Translations in one `dvc repro`: without the table no stage, and a changed one runs only what follows from it."""

from pathlib import Path

import pytest

from bench.pipeline import stages_run, tiny_params
from bench.workspace import make_workspace, run, write_params
from pipeline.common.files import read_json

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900), pytest.mark.usefixtures("warm_stages")]


def test_a_translation_runs_what_learns_from_it_and_nothing_else(tmp_path: Path) -> None:
    params = tiny_params()
    params["initial_models"] = {"source-only": params["initial_models"]["source-only"]}
    params["rounds"] = {}
    make_workspace(tmp_path, params)
    assert not [stage for stage in stages_run(run(tmp_path, "dvc", "repro").stdout) if "translate" in stage]

    params["translations"] = {"fda": {"method": "fourier"}, "alike": {"method": "colour", "match": "domain"}}
    params["initial_models"]["translated"] = {"supervision": "fda", "alignment": "none"}
    params["rounds"]["lse-1"] = {"method": "lse", "init": "translated", "portion": 1.0}
    write_params(tmp_path, params)
    of_round = [f"{stage}@lse-1" for stage in ("dump", "selection", "patches", "adapt", "health", "evaluate")]
    of_start = ["pretrain@translated", "evaluate-initial@translated"]
    added = stages_run(run(tmp_path, "dvc", "repro").stdout)
    assert sorted(added) == sorted(["translate@fda", "translate@alike", *of_start, *of_round, "report"])

    before = read_json(tmp_path / "runs" / "lse-1" / "metrics.json")
    params["translations"]["fda"]["beta"] = 0.1
    write_params(tmp_path, params)
    changed = stages_run(run(tmp_path, "dvc", "repro").stdout)
    assert set(changed) >= {"translate@fda", "pretrain@translated", "adapt@lse-1"}
    assert set(changed) <= {"translate@fda", *of_start, *of_round, "report"}
    assert read_json(tmp_path / "runs" / "lse-1" / "metrics.json") != before

    assert stages_run(run(tmp_path, "dvc", "repro").stdout) == []
