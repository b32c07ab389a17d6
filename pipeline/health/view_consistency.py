"""Whether a network gives an image and its mirror image the same answer."""

# C class, [class in the image, class in its mirror image] of a confusion

from __future__ import annotations

import math

import numpy as np

from pipeline.evaluation.confusion import mean_iou
from pipeline.health.finding import Finding, compared, not_measured


def view_consistency(confusion_CC: np.ndarray, smallest: float) -> float | None:
    """Return the mean IoU between the answers to two views, over classes above ``smallest`` of the first; or None."""
    pixels_C = confusion_CC.sum(axis=1)
    value = mean_iou(confusion_CC, np.flatnonzero(pixels_C > smallest * pixels_C.sum()).tolist())
    return None if math.isnan(value) else value


def consistency_of_views(value: float | None, reference: float | None, *, than: str, drop: float) -> Finding:
    """Return *doubtful* where the consistency is more than ``drop`` below that of the run ``than``; never *fails*.

    A collapsed network is the most consistent of all, so a high value says nothing.
    """
    if value is None or reference is None:
        return not_measured("images are not mirrored: a mirrored digit is not a digit")
    words = f"an image and its mirror image agree by an IoU of {100 * value:.1f}, {than}'s by {100 * reference:.1f}"
    return compared("doubtful", words, value, reference, drop)
