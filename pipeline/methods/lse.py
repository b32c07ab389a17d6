"""LSE: class-based sorting and per-class entropy thresholds (Subhani and Ali, ECCV 2020, Algorithm 1 and Eq. 3).

Everything here is computed from the cache's statistics; no probability volume is read.

# N images, C class, H/W pixels
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from pipeline.methods.selection_file import Compat

# The released code divides the portion by 19 also where there are fewer classes (LSE.py, class_wise_sort).
_AUTHOR_CLASSES = 19


class ClassStatistics(NamedTuple):
    """The cache's sums over the pixels labelled with each class, by image: all (N,C); entropies in nats."""

    pixel_count_NC: np.ndarray
    confidence_sum_NC: np.ndarray
    entropy_sum_NC: np.ndarray
    entropy_min_NC: np.ndarray
    entropy_max_NC: np.ndarray


class LseSelection(NamedTuple):
    """Which images are confident, and how large a class's entropy may be."""

    images: list[int]
    """Selected images, each once, class by class and in a class by falling confidence."""
    threshold_C: np.ndarray
    """h_c in [0,1], on the scale of ``normalised_entropy``."""
    pivot: list[int | None]
    """The image that gave h_c; None for a class that is predicted nowhere."""
    selected_per_class: list[int]
    """How many images the class contributed, before repeated ones are removed."""


def select(statistics: ClassStatistics, image_ids: list[str], portion: float, compat: Compat = "paper") -> LseSelection:
    """Class-based sorting (Algorithm 1).

    For each class, the images in which it is predicted are sorted by its mean confidence U_c, and the first
    n_c · portion / C are selected; h_c is the mean normalised entropy of the class in one image at that border.

    ``paper``: the border is the last selected image (line 17); at least one image is selected for every class that is
    predicted anywhere (the paper leaves n_c · portion / C < 1 open; none at all would drop exactly the rare classes
    that the sorting exists for). A class predicted nowhere has h_c = 0. No threshold is NaN.

    ``author``: as released: the border is the first image *not* selected, the portion is divided by 19 whatever the
    number of classes, a count below one selects nothing, ties go to the id that sorts last, and h_c may be NaN (a class
    of one pixel in its border image, or of constant entropy).
    """
    classes = statistics.pixel_count_NC.shape[1]
    images: dict[int, None] = {}
    threshold_C = np.zeros(classes) if compat == "paper" else np.full(classes, np.nan)
    pivots: list[int | None] = []
    counts = []
    for class_index in range(classes):
        order = by_falling_confidence(
            statistics.pixel_count_NC[:, class_index], statistics.confidence_sum_NC[:, class_index], image_ids, compat
        )
        count = _selected_count(len(order), portion, classes, compat)
        images.update(dict.fromkeys(order[:count]))
        pivot = None
        if order:
            pivot = order[count - 1] if compat == "paper" else order[min(count, len(order) - 1)]
            threshold_C[class_index] = _mean_normalised_entropy(statistics, pivot, class_index, compat)
        pivots.append(pivot)
        counts.append(count)
    return LseSelection(list(images), threshold_C, pivots, counts)


def by_falling_confidence(
    pixel_count_N: np.ndarray, confidence_sum_N: np.ndarray, image_ids: list[str], compat: Compat
) -> list[int]:
    """The images in which a class is predicted by its falling mean confidence U_c, from the class's statistics."""
    present = np.flatnonzero(pixel_count_N)
    confidence = confidence_sum_N[present] / pixel_count_N[present]
    if compat == "author":
        confidence = confidence.astype(np.float32)  # the released code averages float32, so it ties more often
        ranked = sorted(zip(confidence, [image_ids[image] for image in present], present, strict=True), reverse=True)
        return [int(image) for _, _, image in ranked]
    return [int(image) for image in present[np.argsort(-confidence, kind="stable")]]


def _selected_count(predicted_in: int, portion: float, classes: int, compat: Compat) -> int:
    if compat == "author":
        return int(predicted_in * portion / _AUTHOR_CLASSES)
    # rounded first: 180 * 0.35 / 9 is 6.999999999999999 in floating point
    return max(1, math.floor(round(predicted_in * portion / classes, 9))) if predicted_in else 0


def _mean_normalised_entropy(statistics: ClassStatistics, image: int, class_index: int, compat: Compat) -> float:
    mean = statistics.entropy_sum_NC[image, class_index] / statistics.pixel_count_NC[image, class_index]
    if compat == "paper":
        return float(mean / math.log(statistics.pixel_count_NC.shape[1]))
    smallest = statistics.entropy_min_NC[image, class_index]
    largest = statistics.entropy_max_NC[image, class_index]
    with np.errstate(invalid="ignore", divide="ignore"):
        return float((mean - smallest) / (largest - smallest))


def keep_filter(label_HW: np.ndarray, entropy_HW: np.ndarray, threshold_C: np.ndarray, compat: Compat) -> np.ndarray:
    """The binary filter F (Eq. 3): (H,W) bool, True where the pseudo-label is trusted.

    ``paper``: E / ln C ≤ h_c, with c the pixel's label. ``author``: E is normalised to [0,1] over the pixels of each
    class in this image, and kept below h_c, strictly; a NaN on either side keeps the pixel, as comparing with it does
    in the released code. ``entropy_HW`` is in nats.
    """
    threshold_HW = threshold_C[label_HW]
    if compat == "paper":
        # in float64, as the threshold is: in float32 a pixel that is exactly at it could fall on either side
        kept_HW: np.ndarray = entropy_HW.astype(np.float64) / math.log(len(threshold_C)) <= threshold_HW
        return kept_HW
    normalised_HW = normalised_within_class(label_HW, entropy_HW, len(threshold_C))
    with np.errstate(invalid="ignore"):
        dropped_HW: np.ndarray = normalised_HW >= threshold_HW
    return ~dropped_HW


def normalised_within_class(label_HW: np.ndarray, entropy_HW: np.ndarray, classes: int) -> np.ndarray:
    """``author``'s quantity (H,W): the entropy between the smallest, 0, and the largest, 1, of its class in the image.

    NaN where all pixels of the class have the same entropy.
    """
    smallest_C, largest_C = np.full(classes, np.inf), np.full(classes, -np.inf)
    np.minimum.at(smallest_C, label_HW, entropy_HW)
    np.maximum.at(largest_C, label_HW, entropy_HW)
    with np.errstate(invalid="ignore", divide="ignore"):
        normalised_HW: np.ndarray = (entropy_HW - smallest_C[label_HW]) / (largest_C - smallest_C)[label_HW]
    return normalised_HW
