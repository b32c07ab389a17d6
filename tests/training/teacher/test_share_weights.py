"""Weights of pseudo-labels: the released code's numbers, and shares by hand.

# N batch, C class, H/W pixels
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from pipeline.common.labels import IGNORE
from pipeline.methods.teacher import Teacher
from pipeline.training.teacher.pixel_weights import pixel_weights
from pipeline.training.teacher.quota import RunningQuantile
from pipeline.training.teacher.share_weights import inside_margins, share_weights
from tests.golden_values import teacher_code

THRESHOLD = 0.968


def confidence(logits_NCHW: Tensor) -> Tensor:
    return logits_NCHW.softmax(dim=1).amax(dim=1)


def test_over_the_batch_the_weights_are_the_authors() -> None:
    golden = teacher_code()
    weight_NHW = share_weights(confidence(golden["pseudo_logits"]), THRESHOLD, "batch")
    assert torch.equal(weight_NHW, golden["pseudo_weight"])


def weights_by_share(valid_NHW: Tensor, margins: tuple[float, float]) -> Tensor:
    golden = teacher_code()
    section = Teacher(compat="author", thresholds="share", confidence=THRESHOLD, margins=margins)
    label_NHW = torch.where(valid_NHW, golden["pseudo_label"], IGNORE)
    quota = RunningQuantile(np.zeros((19, 10), int), 0.9)
    return pixel_weights(section, 0.5, quota, label_NHW, confidence(golden["pseudo_logits"]))


def test_pixels_in_margins_count_in_the_share_as_in_the_authors_code() -> None:
    valid_NHW = torch.ones(2, 24, 40, dtype=torch.bool)
    weight_NHW = weights_by_share(valid_NHW, (3 / 24, 7 / 24))
    assert torch.equal(weight_NHW, teacher_code()["pseudo_weight_top3_bottom7"])


def test_ignored_pixels_count_in_the_share_as_in_the_authors_code() -> None:
    golden = teacher_code()
    weight_NHW = weights_by_share(golden["pseudo_valid"][:, 0].bool(), (0.0, 0.0))
    assert torch.equal(weight_NHW, golden["pseudo_weight_valid"])


def test_of_an_image_the_share_is_its_own() -> None:
    confidence_NHW = torch.tensor([[[0.9, 0.5], [0.5, 0.5]], [[0.9, 0.9], [0.9, 0.1]]])
    assert share_weights(confidence_NHW, 0.9).flatten().tolist() == [0.25] * 4 + [0.75] * 4
    assert share_weights(confidence_NHW, 0.9, "batch").flatten().tolist() == [0.5] * 8


def test_a_confidence_equal_to_the_threshold_reaches_it() -> None:
    confidence_NHW = torch.tensor([[[0.75, 0.74]]])
    assert share_weights(confidence_NHW, 0.75).flatten().tolist() == [0.5, 0.5]


def test_margins_are_fractions_of_the_height() -> None:
    # DAFormer's rows of a crop of 512, and the same share of a quarter of it
    assert inside_margins((512, 4), (15 / 512, 120 / 512))[0, :, 0].nonzero().flatten().tolist() == list(range(15, 392))
    assert inside_margins((128, 4), (15 / 512, 120 / 512))[0, :, 0].nonzero().flatten().tolist() == list(range(4, 98))
    assert bool(inside_margins((24, 4), (0.0, 0.0)).all())
