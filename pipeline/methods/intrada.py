"""IntraDA: easy and hard images by their mean entropy (Pan et al., CVPR 2020, Eq. 4 and Sec. 3.2).

Computed from the cache's statistics; no probability volume is read.

# N images, C class
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from pipeline.methods.quantiles import selected_count
from pipeline.methods.selection_file import Compat

RARE_CLASSES = (
    "wall", "fence", "pole", "traffic light", "traffic sign", "terrain", "rider", "bus", "train", "motorcycle",
    "truck",
)  # fmt: skip
"""The classes that the released code counts as rare: train ids 3 to 7, 9, 12 and 14 to 17."""


class Split(NamedTuple):
    """Positions of the images of both splits, each by rising score, and the scores."""

    easy: list[int]
    hard: list[int]
    score_N: np.ndarray


def split(entropy_mean_N: np.ndarray, rare_N: np.ndarray | None, classes: int, easy: float, compat: Compat) -> Split:
    """The ``easy`` (λ) share of the images with the smallest score, rounded down, and the others.

    The score is R(I), the mean of the entropy map (Eq. 4). ``rare_N``, the number of rare classes predicted in each
    image, normalises it where it is given, so that images are not hard for what they show: ``paper`` divides by it (an
    image without any keeps its score: the paper leaves 0 open), ``author`` multiplies by (11 - n)/11 + 0.5.

    ``paper``: entropy in nats, as in Eq. 4. ``author``: in units of ln C, and averaged over the C channels of the map
    too, which changes no order. Ties keep the order of the images (the released code shuffles them).
    λ = 0 makes every image hard, λ = 1 every image easy.
    """
    score_N = entropy_mean_N.astype(np.float64)
    if compat == "author":
        score_N = score_N / (math.log(classes) * classes)
    if rare_N is not None:
        score_N = score_N * _author_factor(rare_N) if compat == "author" else score_N / np.maximum(rare_N, 1)
    order = np.argsort(score_N, kind="stable").tolist()
    count = selected_count(len(order), easy, compat)
    return Split(order[:count], order[count:], score_N)


def _author_factor(rare_N: np.ndarray) -> np.ndarray:
    total = len(RARE_CLASSES)
    factor_N: np.ndarray = (total - rare_N) / total + 0.5
    return factor_N


def rare_classes_predicted(pixel_count_NC: np.ndarray, class_names: tuple[str, ...]) -> np.ndarray:
    """Number of rare classes that each image is predicted to show, (N,). One pixel counts, as in the released code."""
    columns = [place for place, name in enumerate(class_names) if name in RARE_CLASSES]
    count_N: np.ndarray = (pixel_count_NC[:, columns] > 0).sum(axis=1)
    return count_N
