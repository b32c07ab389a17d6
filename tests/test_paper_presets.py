"""The papers' presets run: the same stages and networks, on tiny generated streets instead of GTA5 and Cityscapes."""

from pathlib import Path
from typing import Any

import pytest

from bench.workspace import ROOT, make_workspace, preset, run
from pipeline.common.files import read_json
from pipeline.common.labels import class_set
from pipeline.models.build import build_model
from pipeline.models.state import save_model

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900), pytest.mark.usefixtures("warm_stages")]

SIZE = [64, 128]
SMALL_ENCODERS = {"daformer": {"encoder": "mit-b0"}, "vit-linear": {"encoder": "timm/vit_tiny_patch16_224"}}
PRESETS = [*sorted(path.stem for path in (ROOT / "presets").glob("*-cityscapes-*.yaml")), "carla-camvid-lite2"]


def dry_run(name: str) -> dict[str, Any]:
    """The preset with generated images, one step of training, random weights, and the first round of its chain."""
    params = preset(name)
    params["data"] = {"size": SIZE, "spatial_prior": params["data"].get("spatial_prior", False)} | {
        split: {"layout": "streets", "domain": domain, "images": 2, "first": first, "draw_size": SIZE}
        for split, domain, first in (("source", "source", 0), ("target", "target", 0), ("evaluation", "target", 1000))
    }
    params["model"] |= {"weights": None} | SMALL_ENCODERS.get(params["model"]["architecture"], {})
    params["runtime"] |= {"device": "cpu", "workers": 2}
    for section in ("pretrain", "adapt"):
        params[section] |= {"steps": 1, "epochs": None}
        # random weights under frozen normalisation: a step of the papers' size would throw them out of float32
        params[section]["optimiser"] = params[section]["optimiser"] | {"learning_rate": 1e-12}
    for translation in params.get("translations", {}).values():
        translation |= {"steps": 1, "epochs": None, "crop": [32, 64], "width": 2, "blocks": 1}
    (first, entry), *_ = params["rounds"].items()
    params["rounds"] = {first: entry}
    params["initial_models"] = {entry["init"]: params["initial_models"][entry["init"]]}
    params["evaluate"] |= {"gallery": 1}
    return params


def with_weights(params: dict[str, Any], path: Path) -> dict[str, Any]:
    """Random weights for a file's: a feature distance compares with the network with which training began."""
    if params.get("teacher", {}).get("feature_distance") is not None:
        classes = len(class_set(params["classes"]))
        options = {key: params["model"][key] for key in ("encoder", "preprocessing") if key in params["model"]}
        model = build_model(params["model"]["architecture"], classes, **options)
        save_model(model, path, spec={})
        params["model"]["weights"] = str(path)
    return params


@pytest.mark.parametrize("name", PRESETS)
def test_a_paper_s_preset_runs_from_start_to_report(tmp_path: Path, name: str) -> None:
    params = with_weights(dry_run(name), tmp_path.parent / f"{tmp_path.name}.pt")
    make_workspace(tmp_path, params)
    run(tmp_path, "dvc", "repro")
    (first,) = params["rounds"]
    metrics = read_json(tmp_path / "runs" / first / "metrics.json")
    assert metrics["mIoU"] >= 0
    assert metrics["pseudo_labels"]["images"] > 0
    assert (tmp_path / "report" / "index.html").is_file()
