"""Rare class sampling: images are drawn by a class that they hold, rare classes more often.

Hoyer et al., DAFormer, CVPR 2022, Sec. 3.3. Minimum numbers of pixels are shares of the image here: the
released code's 3000 pixels of a GTA5 image (1914×1052) are 0.149 % of it.
"""

# N images, C class

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

RECROPS = 10
"""How many further crops of an image are tried in the released code."""


def class_probabilities(count_NC: np.ndarray, temperature: float) -> np.ndarray:
    """Return the probability (C,) float64 with which each class is drawn: softmax((1 - f_c) / T).

    f_c is the share of labelled pixels that have class c; ignored pixels are not counted. A class without a
    pixel is not drawn.

    Raises:
        ValueError: there is no labelled pixel.
    """
    count_C = count_NC.sum(axis=0, dtype=np.float64)
    if not count_C.any():
        raise ValueError("no image has a labelled pixel: there is no class to draw")
    exponent_C = -count_C / count_C.sum() / temperature
    weight_C = np.where(count_C > 0, np.exp(exponent_C - exponent_C[count_C > 0].max()), 0.0)
    probability_C: np.ndarray = weight_C / weight_C.sum()
    return probability_C


def images_with_class(
    count_NC: np.ndarray, pixels_N: np.ndarray | int, min_share: float, *, strictly: bool = False
) -> np.ndarray:
    """Return (N,C) bool: whether a class has a pixel and at least ``min_share`` of the image's pixels.

    ``pixels_N`` counts all pixels of an image, ignored ones too. ``strictly`` more than the share, as the released
    code compares.
    """
    share_NC = count_NC / np.asarray(pixels_N).reshape(-1, 1)
    enough_NC = share_NC > min_share if strictly else share_NC >= min_share
    holds_NC: np.ndarray = enough_NC & (count_NC > 0)
    return holds_NC


class ClassDraw(NamedTuple):
    """A class, and the index of an image that holds it."""

    class_index: int
    image_index: int


class ClassAwareOrder:
    """Draws of a class and of an image that holds it.

    A class that no image holds with the minimum share is not drawn; the others share its probability.
    """

    def __init__(self, probability_C: np.ndarray, holds_NC: np.ndarray) -> None:
        """Prepare the draws of `class_probabilities` from `images_with_class`.

        Raises:
            ValueError: no image holds a class that may be drawn.
        """
        weight_C = np.where(holds_NC.any(axis=0), probability_C, 0.0)
        if not weight_C.any():
            raise ValueError("no image holds enough of any class; choose a smaller minimum share")
        self.probability_C: np.ndarray = weight_C / weight_C.sum()
        self._images = [np.flatnonzero(holds_N) for holds_N in holds_NC.T]

    def drawn_by(self, generator: np.random.Generator) -> ClassDraw:
        """Return the class and the image that the generator draws: a pure function of its state."""
        class_index = int(generator.choice(len(self.probability_C), p=self.probability_C))
        return ClassDraw(class_index, int(generator.choice(self._images[class_index])))


def first_crop_with_class(
    share_at: Callable[[int], float], min_share: float, recrops: int = RECROPS, *, strictly: bool = False
) -> int:
    """Return the number of the first crop, 0 … ``recrops``, with at least ``min_share`` of the class.

    The last one is taken whatever it holds. ``share_at(number)`` is the share of pixels that have the class in a crop,
    and is not called for the last one. ``strictly`` more than the share, as the released code compares.
    """
    for number in range(recrops):
        share = share_at(number)
        if share > min_share or (share == min_share and not strictly):
            return number
    return recrops
