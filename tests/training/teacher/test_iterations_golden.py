"""Whole iterations of DAFormer's and MIC's released code: the same losses and networks after each of three.

# N batch, C class, D feature channels, B bins, H/W pixels, h/w blocks
"""

from __future__ import annotations

from typing import cast

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from pipeline.common.device import select_device
from pipeline.methods.teacher import FeatureDistance, Mask, Teacher, TeacherRound
from pipeline.models.base import Preprocessing, SegmentationModel, Upsample
from pipeline.training.batches import Batch, Labelled
from pipeline.training.loop import training_step
from pipeline.training.teacher.objective import Changes, Reference, TeacherObjective
from pipeline.training.teacher.released_ema import ReleasedEma
from tests.golden_values import teacher_code
from tests.training.teacher.vectors import filled, vector_of

ITERATIONS, BATCH, CLASSES, HEIGHT = 3, 2, 5, 24
THINGS, FEATURE_WEIGHT, DECAY = [1, 3], 0.05, 0.6
TOLERANCE = 2e-5
LOSS_NAMES = {
    "step": ["accuracy", "source", "accuracy", "mixed", "feature_distance"],
    "mic": ["accuracy", "source", "accuracy", "masked", "accuracy", "mixed", "feature_distance"],
}
"""In the order of the golden file."""


class TinyNet(SegmentationModel):
    """The authors' frame around a convolution; what they feed in is normalised already."""

    HEAD_PARTS = frozenset({"conv_seg"})

    def __init__(self) -> None:
        super().__init__(CLASSES, cast(Preprocessing, lambda input_N3HW: input_N3HW), Upsample())
        self.conv, self.bn = nn.Conv2d(3, 6, 3, stride=2, padding=1), nn.BatchNorm2d(6)
        self.conv_seg = nn.Conv2d(6, CLASSES, 1)

    def forward_with_front(self, input_N3HW: Tensor) -> tuple[Tensor, Tensor | None, tuple[Tensor, Tensor]]:
        feature_NDhw = self.bn(self.conv(input_N3HW)).relu()
        return self.conv_seg(feature_NDhw), None, (feature_NDhw, feature_NDhw)

    def classifiers(self) -> list[nn.Conv2d]:
        return [self.conv_seg]


def network(vector: Tensor) -> TinyNet:
    """A network whose state dict is this vector, its tensors in their order."""
    return filled(TinyNet(), vector)


class Given(TeacherObjective):
    """The objective with the authors' draws of classes and blocks."""

    drawn: dict[str, Tensor]
    prefix: str

    def _pasted_classes(self, label_NHW: Tensor, draws: range) -> list[list[int]]:
        classes = self.drawn[f"{self.prefix}_classes"][draws[0] // BATCH].tolist()
        return [[index for index in of_image if index >= 0] for of_image in classes]

    def _random_blocks(self, size: tuple[int, int], block: int, draws: range) -> Tensor:
        return self.drawn[f"{self.prefix}_mask_random"][draws[0] // BATCH][:, 0]


def objective(prefix: str) -> Given:
    golden = teacher_code()
    section = Teacher.model_validate(
        {
            "compat": "author",
            "thresholds": "share",
            "confidence": 0.3,
            "flip": False,
            "margins": (2 / HEIGHT, 3 / HEIGHT),
            "feature_distance": FeatureDistance(weight=FEATURE_WEIGHT),
        }
    )
    mask = Mask(block=8, ratio=0.5, of="target", weight=1.0) if prefix == "mic" else None
    given = Given(
        section,
        TeacherRound.model_validate({"method": "teacher", "init": "start", "mask": mask}),
        np.zeros((CLASSES, 10), int),
        Changes(None, None),
        seed=0,
        run="golden",
        batch=BATCH,
        steps=ITERATIONS,
        reference=Reference(network(golden[f"{prefix}_start_imagenet"]), THINGS),
    )
    given.drawn, given.prefix = golden, prefix
    return given


def batch_of(prefix: str, iteration: int) -> Batch:
    golden, draws = teacher_code(), range(iteration * BATCH, (iteration + 1) * BATCH)
    label_NHW = golden[f"{prefix}_label"][iteration][:, 0]
    source = Labelled(golden[f"{prefix}_image"][iteration], label_NHW, ["a", "b"], draws)
    target = Labelled(golden[f"{prefix}_target_image"][iteration], torch.zeros_like(label_NHW), ["c", "d"], draws)
    return {"source": source, "target": target}


def authors_losses(prefix: str, iteration: int) -> dict[str, float]:
    """The authors' values by our names of the terms; the source's holds the feature distance, which theirs weighs."""
    golden = teacher_code()
    value = dict(zip(LOSS_NAMES[prefix], golden[f"{prefix}_losses"][iteration].tolist(), strict=True))
    weighted_distance = value.pop("feature_distance")
    rows = HEIGHT - 2 - 3  # the share counts pixels of ignored rows, the mean weight their zeros
    trusted = float(golden[f"{prefix}_share"][iteration]) * rows / HEIGHT
    return {
        **{name: loss for name, loss in value.items() if name != "accuracy"},
        "source": value["source"] + weighted_distance,
        "feature_distance": weighted_distance / FEATURE_WEIGHT,
        "trusted": trusted,
    }


@pytest.mark.parametrize("prefix", ["step", "mic"])
def test_three_iterations_are_the_authors(prefix: str) -> None:
    golden = teacher_code()
    student = network(golden[f"{prefix}_start_student"]).train()
    ema = ReleasedEma(student, DECAY)
    for own, buffer in zip(ema.model.buffers(), network(golden[f"{prefix}_start_teacher"]).buffers(), strict=True):
        own.copy_(buffer)  # the authors' teacher begins with statistics of another network
    optimiser = torch.optim.SGD(student.parameters(), lr=0.2)
    terms = objective(prefix).taught_by(ema.model)
    for iteration in range(ITERATIONS):
        batch = batch_of(prefix, iteration)
        losses = training_step(student, terms, batch, optimiser, None, select_device("cpu", "float32"))
        assert {name: float(value) for name, value in losses.items()} == pytest.approx(
            authors_losses(prefix, iteration), rel=TOLERANCE
        )
        for name, model in (("student", student), ("teacher", ema.model)):
            expected = golden[f"{prefix}_after{iteration}_{name}"]
            torch.testing.assert_close(vector_of(model), expected, rtol=0, atol=TOLERANCE)
        ema.update(student, iteration)
