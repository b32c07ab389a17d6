"""L*a*b* against published values, and the way back."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.translation.lab import lab_of, rgb_of


@pytest.mark.parametrize(
    ("rgb", "lab"),
    [  # sRGB, D65, 2°, as in CIE 15 and any colour calculator
        ((255, 255, 255), (100.0, 0.0, 0.0)),
        ((0, 0, 0), (0.0, 0.0, 0.0)),
        ((255, 0, 0), (53.24, 80.09, 67.20)),
        ((0, 255, 0), (87.73, -86.18, 83.18)),
        ((0, 0, 255), (32.30, 79.19, -107.86)),
        ((119, 119, 119), (50.03, 0.0, 0.0)),
    ],
)
def test_known_colours(rgb: tuple[int, int, int], lab: tuple[float, float, float]) -> None:
    assert lab_of(np.array([[rgb]], np.uint8))[0, 0].tolist() == pytest.approx(lab, abs=0.03)


def test_every_byte_survives_the_way_there_and_back() -> None:
    levels = np.arange(0, 256, 5, dtype=np.uint8)
    image_HW3 = np.stack(np.meshgrid(levels, levels, levels), axis=-1).reshape(-1, len(levels), 3)
    np.testing.assert_array_equal(rgb_of(lab_of(image_HW3)), image_HW3)


def test_colours_that_no_screen_shows_are_clipped() -> None:
    assert rgb_of(np.array([[[150.0, 0.0, 0.0], [-20.0, 0.0, 0.0]]], np.float32)).tolist() == [
        [[255, 255, 255], [0, 0, 0]]
    ]
