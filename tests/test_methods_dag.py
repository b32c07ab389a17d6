"""All methods side by side in one `dvc repro`, and removing one of them runs nothing of the others again."""

from pathlib import Path

import pytest

from bench.pipeline import stages_run, tiny_params
from bench.workspace import make_workspace, run, write_params
from pipeline.files import read_json

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


def params_of_all_methods() -> dict:
    params = tiny_params()
    params["starts"] = {
        "source-only": params["starts"]["source-only"],
        "advent": {"supervision": "source", "alignment": "advent"},
    }
    params |= {
        "intrada": {"compat": "paper", "normalise": True},
        "cbst": {"compat": "paper", "crops": 2, "crop_size": [0.5, 0.5], "mine_below": 0.05},
        "cada": {"compat": "paper", "delta": 0.0},
        "rounds": {
            "lse-1": {"method": "lse", "init": "source-only", "portion": 0.3},
            "cbst-1": {"method": "cbst", "init": "source-only", "portion": 0.2, "source_portion": 0.5},
            "cbst-2": {"method": "cbst", "init": "cbst-1", "portion": 0.25},
            "st-1": {"method": "cbst", "init": "source-only", "portion": 0.2, "thresholds": "global"},
            "cada-1": {"method": "cada", "init": "source-only"},
            "intrada-1": {"method": "intrada", "init": "advent", "easy": 0.6},
        },
    }
    return params


def test_all_methods_run_and_removing_one_runs_nothing_else(tmp_path: Path) -> None:
    params = params_of_all_methods()
    make_workspace(tmp_path, params)
    run(tmp_path, "dvc", "repro")
    for name in params["rounds"]:
        metrics = read_json(tmp_path / "runs" / name / "metrics.json")
        assert 0 <= metrics["mIoU"] <= 1
        assert metrics["pseudo_labels"]["images"] > 0
    selection = read_json(tmp_path / "runs" / "st-1" / "selection" / "selection.json")
    assert len(set(selection["thresholds"])) == 1
    del params["rounds"]["st-1"]
    write_params(tmp_path, params)
    assert stages_run(run(tmp_path, "dvc", "repro").stdout) == ["report"]
