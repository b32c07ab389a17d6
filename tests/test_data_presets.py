"""Presets of data sets run from their published files to the report, with one step of training and random weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bench.workspace import make_workspace, preset, run
from pipeline.common.files import read_json
from tests import published

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900), pytest.mark.usefixtures("warm_stages")]


def dry_run(name: str, folder: Path) -> dict[str, Any]:
    """The preset on a small network, with the first round of its chain; roots in the workspace."""
    params = preset(name)
    for split in ("source", "target", "evaluation"):
        params["data"][split]["root"] = str(folder / params["data"][split]["layout"])
    params["data"]["size"] = [64, 128]
    params["model"] = {"architecture": "small", "normalisation": "train"}
    params["runtime"] |= {"device": "cpu", "workers": 2}
    for section in ("pretrain", "adapt"):
        params[section] |= {"steps": 1, "epochs": None}
    (first, entry), *_ = params["rounds"].items()
    params["rounds"] = {first: entry}
    params["evaluate"]["gallery"] = 1
    return params


def test_cityscapes_to_nthu_is_scored_over_13_classes_and_ten_folds(tmp_path: Path) -> None:
    published.cityscapes(tmp_path / "cityscapes")
    published.nthu(tmp_path / "nthu", test=20, train=3)
    params = dry_run("cityscapes-nthu-cbst", tmp_path)
    make_workspace(tmp_path, params)
    run(tmp_path, "dvc", "repro")
    metrics = read_json(tmp_path / "runs" / "cbst-1" / "metrics.json")
    assert metrics["nthu-13"] is not None and metrics["folds_mean"] is not None and metrics["folds_deviation"] >= 0
    classes = read_json(tmp_path / "runs" / "cbst-1" / "per_class.json")
    assert len(classes) == 14 and "train" in classes and "wall" not in classes
    assert "folds mean" in (tmp_path / "report" / "index.html").read_text(encoding="utf-8")
    assert "label" in (tmp_path / "data/prepared/target/manifest.jsonl").read_text(encoding="utf-8")
    assert "Labels" not in (tmp_path / "data/prepared/target/manifest.jsonl").read_text(encoding="utf-8")


def test_gta5_to_bdd100k(tmp_path: Path) -> None:
    published.gta5(tmp_path / "gta5")
    for split in ("train", "val"):
        published.bdd100k(tmp_path / "bdd100k", split)
    params = dry_run("gta5-bdd100k-cbst", tmp_path)
    make_workspace(tmp_path, params)
    run(tmp_path, "dvc", "repro")
    metrics = read_json(tmp_path / "runs" / "cbst-1" / "metrics.json")
    assert metrics["mIoU"] is not None
    assert metrics["pseudo_labels"]["images_scored"] > 0
    private = (tmp_path / "data/prepared/target/manifest.jsonl").read_text(encoding="utf-8")
    assert "masks" not in private
