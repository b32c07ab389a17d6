"""IoU on the part of the source that no training has seen: a network that forgets the source has lost its classes."""

# C class

from __future__ import annotations

import math

import numpy as np

from pipeline.common.device import Device
from pipeline.datasets.loading import SplitImages, SplitLabels
from pipeline.evaluation.confusion import confusion_matrix, mean_iou
from pipeline.evaluation.evaluate import predictions
from pipeline.health.finding import Finding, compared, not_measured
from pipeline.models.base import SegmentationModel


def source_confusion(
    model: SegmentationModel, images: SplitImages, labels: SplitLabels, classes: int, computer: Device
) -> np.ndarray:
    """Return the confusion (C,C) on labelled images at the labels' own size; memory holds one image."""
    total_CC = np.zeros((classes, classes), np.int64)
    for answer in predictions(model, images.image, labels.scored_label, len(images), computer):
        total_CC += confusion_matrix(answer.truth_HW, answer.prediction_HW, classes)
    return total_CC


def mean_over_true(confusion_CC: np.ndarray) -> float | None:
    """Return the mean IoU over the classes that are true somewhere; None where no pixel is labelled.

    Over the true ones only, so that two networks are always compared over the same classes.
    """
    value = mean_iou(confusion_CC, np.flatnonzero(confusion_CC.sum(axis=1)).tolist())
    return None if math.isnan(value) else value


def source_iou(value: float | None, reference: float | None, *, than: str, drop: float) -> Finding:
    """Return *fails* where the mean IoU is more than ``drop`` below that of the run ``than``."""
    if value is None or reference is None:
        return not_measured("no image of the source is held back (data.hold_back)")
    words = f"IoU is {100 * value:.1f} on the held-back source where {than} has {100 * reference:.1f}"
    return compared("fails", words, value, reference, drop)
