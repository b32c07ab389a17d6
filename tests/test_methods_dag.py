"""All methods side by side in one `dvc repro`, and removing one of them runs nothing of the others again."""

from pathlib import Path

import pytest

from bench.pipeline import stages_run, tiny_params
from bench.workspace import make_workspace, run, write_params
from pipeline.common.files import read_json

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900), pytest.mark.usefixtures("warm_stages")]


def params_of_all_methods() -> dict:
    """Nine rounds of all methods from four initial models."""
    params = tiny_params()
    params["data"] |= {"spatial_prior": True}
    params["initial_models"] |= {
        "advent": {"supervision": "source", "alignment": "advent"},
        "style": {"supervision": "source", "alignment": "style"},
    }
    params |= {
        "intrada": {"compat": "paper", "normalise": True},
        "cbst": {"compat": "paper", "crops": 2, "crop_size": [0.5, 0.5], "mine_below": 0.05},
        "cada": {"compat": "paper", "delta": 0.0},
        "rounds": {
            "lse-1": {"method": "lse", "init": "source-only", "portion": 0.3},
            "lse-2": {"method": "lse", "init": "lse-1", "portion": 0.4},
            "cbst-1": {"method": "cbst", "init": "source-only", "portion": 0.2, "source_portion": 0.5},
            "cbst-2": {"method": "cbst", "init": "cbst-1", "portion": 0.25},
            "cbst-sp-1": {"method": "cbst", "init": "source-only", "portion": 0.2, "spatial_prior": True},
            "st-1": {"method": "cbst", "init": "source-only", "portion": 0.2, "thresholds": "global"},
            "cada-1": {"method": "cada", "init": "style"},
            "cada-2": {"method": "cada", "init": "cada-1"},
            "intrada-1": {"method": "intrada", "init": "advent", "easy": 0.6},
        },
    }
    assert (len(params["initial_models"]), len(params["rounds"])) == (4, 9)
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
    prior = read_json(tmp_path / "runs" / "cbst-sp-1" / "selection" / "selection.json")
    assert prior["thresholds"] != read_json(tmp_path / "runs" / "cbst-1" / "selection" / "selection.json")["thresholds"]
    del params["rounds"]["cada-1"], params["rounds"]["cada-2"]
    write_params(tmp_path, params)
    assert stages_run(run(tmp_path, "dvc", "repro").stdout) == ["report"]
