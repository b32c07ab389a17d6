"""Evaluating a run: what is published."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from pipeline.common.colours import entropy_picture
from pipeline.common.device import select_device
from pipeline.common.files import file_hash
from pipeline.common.labels import CITYSCAPES_19, class_set, colour_label
from pipeline.common.work import folder_of
from pipeline.datasets.opening import images_of, labels_of
from pipeline.datasets.prepare import prepare
from pipeline.evaluation.evaluate import predictions
from pipeline.evaluation.images import PredictionsReader, doubled
from pipeline.evaluation.run import evaluate_run
from pipeline.models.build import build_model
from pipeline.models.state import load_model, save_model
from pipeline.params import Params

CPU = select_device("cpu", "float32")
RUN = Path("runs/source-only")


@pytest.fixture
def params(tmp_path: Path, tiny_params: dict, monkeypatch: pytest.MonkeyPatch) -> Params:
    """A prepared workspace with an untrained model."""
    monkeypatch.chdir(tmp_path)
    torch.set_num_threads(1)
    read = Params.model_validate(tiny_params)
    prepare(read.data, read.seed, class_set(read.classes), workers=1, progress=False)
    RUN.mkdir(parents=True)
    model = build_model("small", 19, generator=torch.Generator().manual_seed(1))
    save_model(model, RUN / "model.pt", spec={"class_names": list(CITYSCAPES_19.names)})
    return read


def evaluate(params: Params, gallery: int = 1) -> None:
    settings = params.evaluate.model_copy(update={"gallery": gallery})
    evaluate_run(RUN, size=params.data.size, settings=settings, classes=CITYSCAPES_19, computer=CPU)


def test_half_a_file_of_a_killed_run_is_not_published(params: Params) -> None:
    left = folder_of("evaluate-source-only", model=file_hash(RUN / "model.pt"))
    left.mkdir(parents=True)
    (left / ".predictions.h5.99.partial").write_bytes(b"half")
    evaluate(params)
    assert not left.exists()
    assert sorted(path.name for path in RUN.iterdir()) == [
        "confusion.csv", "gallery", "metrics.json", "model.pt", "per_class.json", "per_image.csv", "predictions.h5",
    ]  # fmt: skip


def test_the_gallery_shows_the_first_and_the_last_image_as_the_network_sees_them(
    params: Params, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = images_of("evaluation", params.data.size)
    labels = labels_of("evaluation", CITYSCAPES_19, None)
    model = load_model(RUN / "model.pt", "cpu")
    answers = list(predictions(model, images.image, labels.label, len(images), CPU))
    calls: list[int] = []
    forward = type(model).forward
    monkeypatch.setattr(type(model), "forward", lambda self, image: (calls.append(1), forward(self, image))[1])
    evaluate(params, gallery=2)
    assert len(calls) == len(images) == 2  # each image once, those of the gallery too
    assert len(list((RUN / "gallery").iterdir())) == 8
    for row, number in enumerate((0, len(images) - 1)):
        answer, size = answers[number], answers[number].seen_hw.shape
        truth = Image.fromarray(answer.truth_HW).resize(size[::-1], Image.Resampling.NEAREST)
        with PredictionsReader(RUN / "predictions.h5") as reader:
            share_hw = doubled(reader.image(images.id(number)).entropy_share_hw, size)
        for name, expected in {
            "input": images.image(number),
            "label": colour_label(np.asarray(truth), CITYSCAPES_19),
            "prediction": colour_label(answer.seen_hw, CITYSCAPES_19),
            "entropy": entropy_picture(share_hw),
        }.items():
            np.testing.assert_array_equal(np.asarray(Image.open(RUN / "gallery" / f"{row}-{name}.png")), expected)
