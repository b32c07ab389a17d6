"""Evaluating a run: what is published."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from pipeline.common.files import file_hash
from pipeline.common.labels import CITYSCAPES_19, class_set
from pipeline.common.work import folder_of
from pipeline.datasets.prepare import prepare
from pipeline.evaluation.run import evaluate_run
from pipeline.models.build import build_model
from pipeline.models.state import save_model
from pipeline.params import Params


def test_half_a_file_of_a_killed_run_is_not_published(
    tmp_path: Path, tiny_params: dict, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    torch.set_num_threads(1)
    params = Params.model_validate(tiny_params)
    prepare(params.data, params.seed, class_set(params.classes), workers=1, progress=False)
    run = tmp_path / "runs" / "source-only"
    run.mkdir(parents=True)
    model = build_model("small", 19, generator=torch.Generator().manual_seed(1))
    save_model(model, run / "model.pt", spec={"class_names": list(CITYSCAPES_19.names)})
    left = folder_of("evaluate-source-only", model=file_hash(run / "model.pt"))
    left.mkdir(parents=True)
    (left / ".predictions.h5.99.partial").write_bytes(b"half")
    evaluate_run(params, run)
    assert not left.exists()
    assert sorted(path.name for path in run.iterdir()) == [
        "confusion.csv", "gallery", "metrics.json", "model.pt", "per_class.json", "per_image.csv", "predictions.h5",
    ]  # fmt: skip
