"""Colour transfer: what an image takes on is what the target has.

# H/W pixels
"""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.translation.colour import histogram, match_histograms, match_moments, moments
from pipeline.translation.lab import lab_of


def noise(seed: int, low: int, high: int, size: tuple[int, int] = (40, 60)) -> np.ndarray:
    """A picture of grey noise with a little colour, well within what a screen shows."""
    generator = np.random.default_rng(seed)
    grey_HW1 = generator.integers(low, high, (*size, 1))
    return np.clip(grey_HW1 + generator.integers(-12, 12, (*size, 3)), 0, 255).astype(np.uint8)


def test_moments_by_hand() -> None:
    black_and_white = np.array([[[0, 0, 0], [255, 255, 255]]], np.uint8)
    assert moments(black_and_white).tolist() == [
        pytest.approx([50.0, 0.0, 0.0], abs=1e-3),
        pytest.approx([5000.0, 0.0, 0.0], abs=0.01),
    ]


def test_a_histogram_is_shares_of_the_pixels() -> None:
    shares = histogram(np.array([[[0, 0, 0], [255, 255, 255], [255, 255, 255], [0, 0, 0]]], np.uint8))
    assert shares.sum(axis=1).tolist() == pytest.approx([1, 1, 1])
    assert shares[0, 0] == shares[0, -1] == 0.5


def test_an_image_takes_on_mean_and_deviation_of_the_target() -> None:
    source, target = noise(1, 20, 120), noise(2, 90, 230)
    matched = match_moments(source, moments(target))
    wanted, found = lab_of(target).reshape(-1, 3), lab_of(matched).reshape(-1, 3)
    np.testing.assert_allclose(found.mean(axis=0), wanted.mean(axis=0), atol=0.3)
    np.testing.assert_allclose(found.std(axis=0), wanted.std(axis=0), atol=0.3)


def test_an_image_takes_on_the_distribution_of_the_target() -> None:
    source = noise(1, 20, 120)
    target = np.where(noise(2, 0, 255)[..., :1] > 128, noise(3, 60, 80), noise(4, 200, 220))  # two humps
    before, after = (np.abs(np.cumsum(histogram(picture) - histogram(target), axis=1)).max() for picture in (
        source, match_histograms(source, histogram(target)),
    ))  # fmt: skip
    assert before > 0.5
    assert after < 0.05


@pytest.mark.parametrize(("match", "measure"), [(match_moments, moments), (match_histograms, histogram)])
def test_its_own_statistics_leave_an_image_nearly_as_it_is(match, measure) -> None:
    image = noise(5, 30, 200)
    assert np.abs(match(image, measure(image)).astype(int) - image).max() <= 2


@pytest.mark.parametrize(("match", "measure"), [(match_moments, moments), (match_histograms, histogram)])
def test_statistics_of_the_domain_change_all_images_alike(match, measure) -> None:
    dark, bright = noise(6, 20, 60), noise(7, 60, 100)
    both = (measure(dark) + measure(bright)) / 2
    target = measure(noise(8, 120, 220))
    shifted = [match(image, target, both).mean() for image in (dark, bright)]
    assert shifted[1] - shifted[0] > 20  # what was darker stays darker
    alone = [match(image, target).mean() for image in (dark, bright)]
    assert abs(alone[1] - alone[0]) < 3


@pytest.mark.parametrize(("match", "measure"), [(match_moments, moments), (match_histograms, histogram)])
def test_a_flat_image_stays_flat(match, measure) -> None:
    flat = np.full((8, 8, 3), 90, np.uint8)
    matched = match(flat, measure(noise(9, 0, 255)))
    assert matched.std(axis=(0, 1)).max() == 0


def test_the_mean_of_statistics_is_that_of_all_pixels() -> None:
    one, other = noise(10, 20, 120), noise(11, 90, 230)
    together = np.concatenate([one, other])
    for measure in (moments, histogram):
        np.testing.assert_allclose((measure(one) + measure(other)) / 2, measure(together), rtol=1e-4, atol=1e-6)
