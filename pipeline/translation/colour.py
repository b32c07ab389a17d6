"""Colour transfer in L*a*b*: channel by channel, an image takes on the statistics of a target image, or of all of them.

A statistic is a mean over pixels, so that the mean of many images' statistics is the statistic of all of them.
"""

# H/W pixels, P pixels in a row, 3 channels L*, a*, b*, K bins, E their edges, M middles of those that hold pixels

from __future__ import annotations

import numpy as np

from pipeline.translation.lab import lab_of, rgb_of

BINS = 256
_LOWEST_3, _HIGHEST_3 = (0.0, -128.0, -128.0), (100.0, 128.0, 128.0)
# A flat channel has no spread that could be widened: without a floor its rounding errors would become the picture.
_SMALLEST_DEVIATION = 0.5


def moments(image_HW3: np.ndarray) -> np.ndarray:
    """Return mean and mean square (2,3) float32 of each L*a*b* channel of a uint8 RGB image."""
    return _moments(lab_of(image_HW3))


def histogram(image_HW3: np.ndarray) -> np.ndarray:
    """Return the share of the pixels in each bin (3,K) float32 of each L*a*b* channel of a uint8 RGB image."""
    return _histogram(lab_of(image_HW3))


def match_moments(image_HW3: np.ndarray, target_23: np.ndarray, source_23: np.ndarray | None = None) -> np.ndarray:
    """Return (H,W,3) uint8 with each channel shifted and stretched from its mean and deviation to the target's.

    Reinhard et al., "Color Transfer between Images", IEEE CG&A 2001, in L*a*b* instead of lαβ. ``source_23`` replaces
    the image's own moments if all images are to change alike.
    """
    lab_HW3 = lab_of(image_HW3)
    own_mean_3, own_deviation_3 = _mean_and_deviation(_moments(lab_HW3) if source_23 is None else source_23)
    mean_3, deviation_3 = _mean_and_deviation(target_23)
    gain_3 = (deviation_3 / np.maximum(own_deviation_3, _SMALLEST_DEVIATION)).astype(np.float32)
    offset_3 = (mean_3 - gain_3 * own_mean_3).astype(np.float32)
    return rgb_of(lab_HW3 * gain_3 + offset_3)


def match_histograms(image_HW3: np.ndarray, target_3K: np.ndarray, source_3K: np.ndarray | None = None) -> np.ndarray:
    """Return (H,W,3) uint8, F_target⁻¹(F_own(x)) of each channel x; F: cumulative histogram, linear within a bin.

    F_own is taken at the middles of the bins that hold pixels, and interpolated between them: where F is
    flat, F⁻¹ could be anything. ``source_3K`` replaces the own histogram if all images are to change alike.
    """
    lab_HW3 = lab_of(image_HW3)
    own_3K = _histogram(lab_HW3) if source_3K is None else source_3K
    for channel in range(3):
        edge_E = np.linspace(_LOWEST_3[channel], _HIGHEST_3[channel], BINS + 1)
        own_E, held_K = _cumulative(own_3K[channel]), own_3K[channel] > 0
        share_M, middle_M = (own_E[:-1] + own_E[1:])[held_K] / 2, (edge_E[:-1] + edge_E[1:])[held_K] / 2
        matched_M = np.interp(share_M, _cumulative(target_3K[channel]), edge_E)
        lab_HW3[..., channel] = np.interp(lab_HW3[..., channel], middle_M, matched_M)
    return rgb_of(lab_HW3)


def _moments(lab_HW3: np.ndarray) -> np.ndarray:
    lab_P3 = lab_HW3.reshape(-1, 3)
    mean_3 = lab_P3.mean(axis=0, dtype=np.float64)
    return np.stack([mean_3, np.square(lab_P3).mean(axis=0, dtype=np.float64)]).astype(np.float32)


def _histogram(lab_HW3: np.ndarray) -> np.ndarray:
    lab_P3 = lab_HW3.reshape(-1, 3)
    counts_3K = [np.bincount(_bin_of(lab_P3[:, channel], channel), minlength=BINS) for channel in range(3)]
    return (np.stack(counts_3K) / len(lab_P3)).astype(np.float32)


def _bin_of(value_P: np.ndarray, channel: int) -> np.ndarray:
    lowest, highest = _LOWEST_3[channel], _HIGHEST_3[channel]
    return np.clip((value_P - lowest) * (BINS / (highest - lowest)), 0, BINS - 1).astype(np.intp)


def _mean_and_deviation(moments_23: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    mean_3, square_3 = moments_23.astype(np.float64)
    return mean_3, np.sqrt(np.maximum(square_3 - mean_3**2, 0.0))


def _cumulative(share_K: np.ndarray) -> np.ndarray:
    total_E = np.concatenate([[0.0], np.cumsum(share_K.astype(np.float64))])
    cumulative_E: np.ndarray = total_E / total_E[-1]
    return cumulative_E
