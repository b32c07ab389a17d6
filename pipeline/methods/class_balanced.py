"""The class-balanced score, by which CBST's authors chose 505 of Cityscapes' 2975 training images.

The papers of CBST and CRST do not mention it; their released lists are 505 images, and an author gave the rule: the
mean over classes of the image's mean confidence of the class, thresholded (docs/datasets.md). Computed from a cache's
statistics; no probability volume is read.

# N images, C class
"""

from __future__ import annotations

import numpy as np


def class_balanced_score(pixel_count_NC: np.ndarray, confidence_sum_NC: np.ndarray) -> np.ndarray:
    """Return (N,) in [0,1]: the mean over classes of the mean confidence of the image's pixels predicted as the class.

    A class that is not predicted in an image counts as 0, so that an image scores high where many classes are
    predicted, and surely (the author's rule leaves it open). Confidence is the largest probability of a pixel.
    """
    mean_NC = np.divide(confidence_sum_NC, pixel_count_NC, out=np.zeros(pixel_count_NC.shape), where=pixel_count_NC > 0)
    score_N: np.ndarray = mean_NC.mean(axis=1)
    return score_N


def best_scored(score_N: np.ndarray, count: int) -> list[int]:
    """Return the positions of so many images with the highest scores, in their own order; ties keep the earlier image.

    Raises:
        ValueError: there are fewer images, or none is asked for.
    """
    if not 1 <= count <= len(score_N):
        raise ValueError(f"{count} images are asked for, and there are {len(score_N)}")
    return sorted(int(position) for position in np.argsort(-score_N, kind="stable")[:count])
