"""Windows and their zoomed pseudo-labels, by hand.

# C class, H/W pixels
"""

from __future__ import annotations

import numpy as np
import pytest
import torch

from pipeline.common.box import Box
from pipeline.common.labels import IGNORE
from pipeline.patches.cut import random_boxes, zoomed_pseudo_label


def test_windows_lie_inside_the_image_and_have_the_asked_share() -> None:
    boxes = random_boxes((10, 21), (0.5, 0.25), 500, np.random.default_rng(0))
    assert len(boxes) == 500
    assert {(box.height, box.width) for box in boxes} == {(5, 5)}  # round(5.25)
    assert {box.top for box in boxes} == set(range(6))  # every place occurs, both ends included
    assert {box.left for box in boxes} == set(range(17))


def test_a_window_as_large_as_the_image_has_one_place() -> None:
    assert random_boxes((4, 6), (1.0, 1.0), 2, np.random.default_rng(0)) == [Box(0, 0, 4, 6)] * 2


def test_a_tiny_share_still_has_a_pixel() -> None:
    (box,) = random_boxes((4, 6), (0.01, 0.01), 1, np.random.default_rng(0))
    assert (box.height, box.width) == (1, 1)


def test_the_same_generator_state_gives_the_same_windows() -> None:
    first, again, other = (random_boxes((64, 128), (0.5, 0.5), 4, np.random.default_rng(seed)) for seed in (3, 3, 4))
    assert first == again != other


def test_a_box_cuts_the_last_two_axes() -> None:
    plane = torch.arange(24).view(2, 3, 4)
    assert Box(1, 2, 2, 1).of(plane).tolist() == [[[6], [10]], [[18], [22]]]


# The window is the lower right 2×2 of a 4×4 image. Class 1 leads in its left column, class 0 in its right one.
WINDOW = Box(2, 2, 2, 2)


def probability(left: float, right: float) -> torch.Tensor:
    """Class 1 has these probabilities in the window's columns, and all of it elsewhere."""
    first_HW = torch.ones(4, 4)
    first_HW[2:, 2], first_HW[2:, 3] = left, right
    return torch.stack([1 - first_HW, first_HW])


def test_the_label_is_the_arg_max_of_the_zoomed_probabilities() -> None:
    keep_HW = torch.ones(4, 4, dtype=torch.bool)
    # zoomed by 2 the columns hold .9, .75·.9+.25·.2, .25·.9+.75·.2, .2 of class 1: .9, .725, .375, .2
    label_HW = zoomed_pseudo_label(probability(0.9, 0.2), keep_HW, WINDOW, "paper")
    assert label_HW.dtype == np.uint8
    assert label_HW.tolist() == [[1, 1, 0, 0]] * 4
    # .6 and .05 give .6, .4625, .1875, .05: the class changes half a pixel earlier than zooming labels would say
    assert zoomed_pseudo_label(probability(0.6, 0.05), keep_HW, WINDOW, "paper").tolist() == [[1, 0, 0, 0]] * 4


def test_aligned_corners_zoom_as_the_released_code_does() -> None:
    keep_HW = torch.ones(4, 4, dtype=torch.bool)
    # .6, .6-.55/3, .6-1.1/3, .05 with aligned corners: .6, .417, .233, .05; and .8, .2 give .8, .6, .4, .2
    assert zoomed_pseudo_label(probability(0.6, 0.05), keep_HW, WINDOW, "author").tolist() == [[1, 0, 0, 0]] * 4
    assert zoomed_pseudo_label(probability(0.95, 0.28), keep_HW, WINDOW, "author").tolist() == [[1, 1, 1, 0]] * 4
    assert zoomed_pseudo_label(probability(0.95, 0.28), keep_HW, WINDOW, "paper").tolist() == [[1, 1, 0, 0]] * 4


@pytest.mark.parametrize(
    ("compat", "kept"),
    [
        ("paper", [True, True, False, False]),  # the filter zoomed: 1, .75, .25, 0; kept from one half on
        ("author", [True, True, True, False]),  # 1, 2/3, 1/3, 0; kept above exactly 0
    ],
)
def test_the_zoomed_filter_drops_pixels(compat: str, kept: list[bool]) -> None:
    keep_HW = torch.zeros(4, 4, dtype=torch.bool)
    keep_HW[2:, 2] = True
    label_HW = zoomed_pseudo_label(probability(0.9, 0.9), keep_HW, WINDOW, compat)  # type: ignore[arg-type]
    assert label_HW.tolist() == [[1 if keep else IGNORE for keep in kept]] * 4


@pytest.mark.parametrize("compat", ["paper", "author"])
def test_what_lies_outside_the_window_does_not_leak_in(compat: str) -> None:
    keep_HW = torch.ones(4, 4, dtype=torch.bool)
    keep_HW[2:, 2:] = False
    label_HW = zoomed_pseudo_label(probability(0.9, 0.9), keep_HW, WINDOW, compat)  # type: ignore[arg-type]
    assert (label_HW == IGNORE).all()


@pytest.mark.parametrize(("kept", "expected"), [([1, 0], [1, 1, IGNORE]), ([0, 1], [IGNORE, 1, 1])])
def test_a_filter_of_exactly_one_half_keeps_the_pixel(kept: list[int], expected: list[int]) -> None:
    """Two columns zoomed to three: the middle one is halfway between them."""
    prob_CHW = torch.tensor([0.25, 0.75])[:, None, None].expand(2, 1, 3)
    keep_HW = torch.tensor([[*kept, 0]], dtype=torch.bool)
    assert zoomed_pseudo_label(prob_CHW, keep_HW, Box(0, 0, 1, 2), "paper").tolist() == [expected]
