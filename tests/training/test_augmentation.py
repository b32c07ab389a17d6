"""Image and label change together.

# H/W pixels
"""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.common.labels import IGNORE
from pipeline.training.augmentation import Augment

HEIGHT, WIDTH = 48, 96


def painted() -> tuple[np.ndarray, np.ndarray]:
    """Red and green say twice the column and the row (which blending keeps); the label is the block of 12×12 pixels."""
    rows, columns = np.indices((HEIGHT, WIDTH))
    image_HW3 = np.stack([2 * columns, 2 * rows, np.full_like(rows, 77)], axis=-1).astype(np.uint8)
    return image_HW3, (rows // 12 * 8 + columns // 12).astype(np.uint8)


def change(augment: Augment, seed: int) -> tuple[np.ndarray, np.ndarray]:
    return augment(*painted(), np.random.default_rng(seed))


def largest_offset(image_HW3: np.ndarray, label_HW: np.ndarray) -> float:
    """How far, in pixels, a labelled pixel's colour lies outside the block that its label names."""
    labelled = label_HW != IGNORE
    column, row = (image_HW3[..., channel][labelled] / 2 + 0.5 for channel in (0, 1))
    left, top = label_HW[labelled] % 8 * 12, label_HW[labelled] // 8 * 12
    return float(max(np.max([left - column, column - left - 12]), np.max([top - row, row - top - 12])))


def test_without_changes_nothing_changes() -> None:
    image_HW3, label_HW = change(Augment(False, (1.0, 1.0), 0.0), 0)
    np.testing.assert_array_equal(image_HW3, painted()[0])
    np.testing.assert_array_equal(label_HW, painted()[1])


def test_about_half_are_flipped_image_and_label_together() -> None:
    image_HW3, label_HW = painted()
    flipped = 0
    for seed in range(200):
        changed_HW3, changed_HW = change(Augment(True, (1.0, 1.0), 0.0), seed)
        mirrored = not np.array_equal(changed_HW, label_HW)
        flipped += mirrored
        np.testing.assert_array_equal(changed_HW, label_HW[:, ::-1] if mirrored else label_HW)
        np.testing.assert_array_equal(changed_HW3, image_HW3[:, ::-1] if mirrored else image_HW3)
    assert 70 < flipped < 130


@pytest.mark.parametrize("limits", [(1.3, 2.0), (0.5, 0.8), (0.6, 1.7)])
def test_zooming_keeps_image_and_label_aligned(limits: tuple[float, float]) -> None:
    for seed in range(20):
        image_HW3, label_HW = change(Augment(True, limits, 0.0), seed)
        assert (image_HW3.shape, label_HW.shape) == ((HEIGHT, WIDTH, 3), (HEIGHT, WIDTH))
        assert largest_offset(image_HW3, label_HW) <= 0.6  # half a pixel is the rounding of nearest neighbours
        assert largest_offset(image_HW3, np.roll(label_HW, 2, axis=1)) > 0.6


def test_zooming_in_shows_a_window_without_border() -> None:
    for seed in range(20):
        _, label_HW = change(Augment(False, (2.0, 2.0), 0.0), seed)
        assert not (label_HW == IGNORE).any()
        runs = np.flatnonzero(np.diff(label_HW[0].astype(int)))
        assert set(np.diff(runs)) <= {24, 48, 72}  # blocks of 12 pixels are 24 wide


def test_zooming_out_leaves_a_border_that_is_ignored_and_black() -> None:
    for seed in range(20):
        image_HW3, label_HW = change(Augment(False, (0.5, 0.5), 0.0), seed)
        border_HW = label_HW == IGNORE
        assert border_HW.mean() == pytest.approx(0.75, abs=0.03)
        assert (image_HW3[border_HW] < 255).all()
        assert (image_HW3[border_HW].sum(axis=-1) == 0).mean() > 0.95
        assert (image_HW3[~border_HW].sum(axis=-1) > 0).all()


def test_zooms_are_spread_over_their_range() -> None:
    shares = [(change(Augment(False, (0.5, 1.0), 0.0), seed)[1] != IGNORE).mean() ** 0.5 for seed in range(60)]
    assert min(shares) < 0.56
    assert max(shares) > 0.92
    assert np.median(shares) == pytest.approx(0.5**0.5, abs=0.06)  # even in the logarithm


def test_colour_changes_touch_the_image_alone_and_stay_within_their_strength() -> None:
    flat_HW3 = np.full((4, 4, 3), 128, dtype=np.uint8)
    label_HW = np.arange(16, dtype=np.uint8).reshape(4, 4)
    seen = set()
    for seed in range(50):
        changed_HW3, changed_HW = Augment(False, (1.0, 1.0), 0.2)(flat_HW3, label_HW, np.random.default_rng(seed))
        np.testing.assert_array_equal(changed_HW, label_HW)
        assert changed_HW3.dtype == np.uint8
        assert abs(changed_HW3.astype(int) - 128).max() <= 0.2 * 128 + 1  # at 128 only the offset counts
        seen.add(int(changed_HW3[0, 0, 0]))
    assert len(seen) > 20


def test_colours_saturate_and_do_not_wrap_around() -> None:
    ramp_HW3 = np.repeat(np.arange(256, dtype=np.uint8)[None, :, None], 3, axis=2)
    for seed in range(30):
        changed_HW3, _ = Augment(False, (1.0, 1.0), 0.9)(ramp_HW3, ramp_HW3[..., 0], np.random.default_rng(seed))
        assert (np.diff(changed_HW3.astype(int), axis=1) >= 0).all()


def test_the_same_generator_state_gives_the_same_change() -> None:
    augment = Augment(True, (0.5, 2.0), 0.3)
    for first, again in zip(change(augment, 5), change(augment, 5), strict=True):
        np.testing.assert_array_equal(first, again)
    assert not np.array_equal(change(augment, 5)[0], change(augment, 6)[0])


def test_a_label_alone_is_changed_as_beside_its_image() -> None:
    augment = Augment(flip=True, scale=(0.5, 2.0), colour=0.3)
    for seed in range(20):
        _, beside_HW = change(augment, seed)
        assert (augment.label(painted()[1], np.random.default_rng(seed)) == beside_HW).all()
