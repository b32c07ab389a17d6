"""FDA: equal to whole transforms, as the authors' function makes them.

# H/W pixels
"""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.translation.fourier import amplitudes, reach, swap_amplitudes


def whole_transforms(source_HW3: np.ndarray, target_HW3: np.ndarray, beta: float) -> np.ndarray:
    """The paper's Eq. 3 step by step, with the window of the released code."""
    source = np.fft.fft2(np.moveaxis(source_HW3.astype(np.float64), -1, 0))
    target = np.fft.fft2(np.moveaxis(target_HW3.astype(np.float64), -1, 0))
    amplitude = np.fft.fftshift(np.abs(source), axes=(-2, -1))
    other = np.fft.fftshift(np.abs(target), axes=(-2, -1))
    height, width = source_HW3.shape[:2]
    b, y, x = int(min(height, width) * beta), height // 2, width // 2
    amplitude[:, y - b : y + b + 1, x - b : x + b + 1] = other[:, y - b : y + b + 1, x - b : x + b + 1]
    mixed = np.fft.ifftshift(amplitude, axes=(-2, -1)) * np.exp(1j * np.angle(source))
    return np.moveaxis(np.fft.ifft2(mixed).real, 0, -1)


def picture(seed: int, size: tuple[int, int], low: int = 0, high: int = 256) -> np.ndarray:
    return np.random.default_rng(seed).integers(low, high, (*size, 3)).astype(np.uint8)


@pytest.mark.parametrize("size", [(32, 64), (31, 45), (48, 33)])
@pytest.mark.parametrize("beta", [0.0, 0.01, 0.05, 0.2, 0.49])
def test_a_window_gives_what_whole_transforms_give(size: tuple[int, int], beta: float) -> None:
    source, target = picture(1, size), picture(2, size, 60, 200)
    expected = np.clip(np.rint(whole_transforms(source, target, beta)), 0, 255)
    found = swap_amplitudes(source, amplitudes(target, beta))
    assert np.abs(found - expected).max() <= 1  # a rounding at one half
    assert (found != expected).mean() < 0.01


def test_beta_0_moves_the_mean_alone() -> None:
    source, target = picture(3, (20, 30), 40, 90), picture(4, (20, 30), 100, 200)
    moved = swap_amplitudes(source, amplitudes(target, 0.0)).astype(float)
    np.testing.assert_allclose(moved.mean(axis=(0, 1)), target.mean(axis=(0, 1)), atol=0.5)
    shift = moved - source
    assert (shift.max(axis=(0, 1)) - shift.min(axis=(0, 1))).max() == 0


def test_its_own_amplitudes_leave_an_image_as_it_is() -> None:
    image = picture(5, (24, 40))
    np.testing.assert_array_equal(swap_amplitudes(image, amplitudes(image, 0.1)), image)


def test_black_has_no_phase_and_gets_the_mean_alone() -> None:
    black = np.zeros((16, 32, 3), np.uint8)
    assert np.isfinite(swap_amplitudes(black, amplitudes(picture(6, (16, 32)), 0.1)).astype(float)).all()


def test_a_window_is_small() -> None:
    assert reach((512, 1024), 0.01) == 5
    assert amplitudes(picture(7, (512, 64)), 0.09).shape == (3, 11, 6)
