"""LSE in ``compat: author`` against what the authors' own functions answered.

# N images, C class, H/W pixels
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest
import torch

from pipeline.cache.schema import PER_CLASS_STATISTICS
from pipeline.cache.statistics import Planes, image_statistics, planes_of_probabilities
from pipeline.common.labels import IGNORE
from pipeline.evaluation.confusion import confusion_matrix, intersection_over_union
from pipeline.methods.lse import ClassStatistics, keep_filter, select
from pipeline.training.losses import cross_entropy, cross_entropy_per_pixel, focal_loss


@pytest.fixture
def answer(golden: Mapping[str, np.ndarray]) -> Planes:
    return planes_of_probabilities(torch.from_numpy(golden["prob"]))


@pytest.mark.parametrize(("portion", "key"), [(0.2, "lse_p20"), (0.4, "lse_p40")])
def test_selection_thresholds_and_filters_are_the_authors(
    golden: Mapping[str, np.ndarray], answer: Planes, portion: float, key: str
) -> None:
    sums = image_statistics(torch.from_numpy(golden["prob"]), answer)
    statistics = ClassStatistics(**{f"{name}_NC": sums[name].numpy() for name in PER_CLASS_STATISTICS})
    ids = [f"{number:04}" for number in range(len(answer.label_NHW))]

    selection = select(statistics, ids, portion, "author")

    assert selection.images == golden[f"{key}_selected"].tolist()
    np.testing.assert_allclose(selection.threshold_C, golden[f"{key}_hc"], atol=1e-6, equal_nan=True)
    assert np.isnan(selection.threshold_C).any() == np.isnan(golden[f"{key}_hc"]).any()
    keep_NHW = golden[f"{key}_keep_first12"]
    assert len(keep_NHW) > 10
    for image, expected_HW in zip(selection.images, keep_NHW, strict=False):
        label_HW, entropy_HW = answer.label_NHW[image].numpy(), answer.entropy_NHW[image].numpy()
        kept_HW = keep_filter(label_HW, entropy_HW, selection.threshold_C, "author")
        np.testing.assert_array_equal(kept_HW, expected_HW)
        assert 0 < kept_HW.mean() < 1


def test_the_two_losses_are_the_authors(golden: Mapping[str, np.ndarray]) -> None:
    logits_NCHW, label_NHW = torch.from_numpy(golden["loss_logits"]), torch.from_numpy(golden["loss_labels"])
    assert (label_NHW == IGNORE).any()
    assert float(cross_entropy(logits_NCHW, label_NHW)) == pytest.approx(float(golden["lse_loss_ce_mean"]), rel=1e-5)
    focal = focal_loss(*cross_entropy_per_pixel(logits_NCHW, label_NHW), gamma=3.0)
    assert float(focal) == pytest.approx(float(golden["lse_loss_focal_mean"]), rel=1e-5)


def test_confusion_and_iou_are_the_authors(golden: Mapping[str, np.ndarray], answer: Planes) -> None:
    confusion_CC = np.zeros((19, 19), dtype=np.int64)
    for prediction_HW in answer.label_NHW.numpy():
        truth_HW = np.roll(prediction_HW, 2, axis=1)
        truth_HW[0] = IGNORE
        confusion_CC += confusion_matrix(truth_HW, prediction_HW, 19)
    np.testing.assert_array_equal(confusion_CC, golden["confusion"])
    np.testing.assert_allclose(intersection_over_union(confusion_CC), golden["iou"], rtol=1e-12)
