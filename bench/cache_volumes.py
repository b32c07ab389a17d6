"""Generated volumes for bench.cache, and what the plain code that people write instead of a cache makes of them.

`from_logits`: like heads with a fixed bilinear up-sample, logits at 1/8 resolution, sums of smooth random fields,
scaled until 75 % of the pixels are surer than 0.95. `with_full_size_noise`: the same with noise at full resolution, as
in networks without such an up-sample and in averaged views.
"""

# N images, C class, H/W pixels, h/w network resolution

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from pipeline.cache.bins import ENTROPY_BINS
from pipeline.cache.schema import CacheSpec, Profile
from pipeline.common.labels import IGNORE

CLASSES, SIZE, LOW_SIZE = 19, (512, 1024), (65, 129)
VOLUME_BYTES = 4 * CLASSES * SIZE[0] * SIZE[1]
SURE, SURE_SHARE = 0.95, 0.75

# Chosen so that runs of equal labels are as long as in this project's own street scenes at this size (93 pixels).
_GRID_ROWS = (3, 4, 5, 6, 7, 9, 11, 13, 17)
_FALL_OF_AMPLITUDE = 1.5
LOW_NOISE, ROUGH_NOISE = 0.05, 0.15
_FULL_NOISE = 0.5
"""At full size, in units of the calibrated logits: runs of equal labels become a fourth as long."""


class Volumes(NamedTuple):
    """Generated images, computed again at each call."""

    profile: Profile
    answer: Callable[[int], Tensor]
    """What a network answers for an image: (1,C,h,w), or (1,C,H,W) with noise at full size."""
    volume: Callable[[int], np.ndarray]
    """What eager torch makes of it, and a float32 volume holds: (C,H,W)."""


def from_logits(low_NChw: Tensor) -> Volumes:
    """Volumes that are up-sampled from logits."""
    return Volumes("logits", lambda image: low_NChw[image][None], lambda image: eager(low_NChw[image]).numpy())


def with_full_size_noise(low_NChw: Tensor) -> Volumes:
    """The same with noise at full resolution."""

    def answer(image: int) -> Tensor:
        logits_1CHW = upsampled(low_NChw[image])
        generator = torch.Generator().manual_seed(image)
        return logits_1CHW.add_(torch.randn(logits_1CHW.shape, generator=generator), alpha=_FULL_NOISE)

    return Volumes("probabilities", answer, lambda image: torch.softmax(answer(image), dim=1)[0].numpy())


def upsampled(low_Chw: Tensor) -> Tensor:
    """(1,C,H,W), as DeepLab's head does it."""
    return functional.interpolate(low_Chw[None], SIZE, mode="bilinear", align_corners=True)


def eager(low_Chw: Tensor) -> Tensor:
    """Probabilities (C,H,W) by eager torch."""
    return torch.softmax(upsampled(low_Chw), dim=1)[0]


def make_logits(images: int, noise: float = LOW_NOISE) -> Tensor:
    """(N,C,h,w), scaled so that the share of sure pixels of the first images is ``SURE_SHARE``."""
    low_NChw = torch.stack([_fields(seed, noise) for seed in range(images)])
    smallest, largest = 4.0, 40.0
    for _ in range(10):
        middle = math.sqrt(smallest * largest)
        share = sum(_sure_share(low_Chw * middle) for low_Chw in low_NChw[:8]) / len(low_NChw[:8])
        smallest, largest = (middle, largest) if share < SURE_SHARE else (smallest, middle)
    return low_NChw * middle


def _fields(seed: int, noise: float) -> Tensor:
    """Smooth fields, coarse ones with the larger amplitude, an offset for each class, and a little noise."""
    generator = torch.Generator().manual_seed(seed)
    low_1Chw = torch.randn((1, CLASSES, 1, 1), generator=generator).repeat(1, 1, *LOW_SIZE)
    for rows in _GRID_ROWS:
        grid = torch.randn((1, CLASSES, rows, 2 * rows - 1), generator=generator)
        field = functional.interpolate(grid, LOW_SIZE, mode="bicubic", align_corners=True)
        low_1Chw += field * (_GRID_ROWS[0] / rows) ** _FALL_OF_AMPLITUDE
    return (low_1Chw + noise * torch.randn(low_1Chw.shape, generator=generator))[0]


def _sure_share(low_Chw: Tensor) -> float:
    return (eager(low_Chw).amax(dim=0) > SURE).float().mean().item()


def described(volumes: Volumes, images: int) -> str:
    """Share of sure pixels and mean length of runs of equal labels, in words."""
    sure, runs = 0.0, 0
    for image in range(images):
        prob_CHW = torch.from_numpy(volumes.volume(image))
        confidence_HW, label_HW = prob_CHW.max(dim=0)
        sure += (confidence_HW > SURE).float().mean().item() / images
        runs += SIZE[0] + int((label_HW[:, 1:] != label_HW[:, :-1]).sum())
    return f"{sure:.1%} of pixels surer than {SURE}, runs of {images * SIZE[0] * SIZE[1] / runs:.0f} pixels"


def spec_of(profile: Profile, images: int, size: tuple[int, int] = SIZE) -> CacheSpec:
    """A cache of such volumes in parts of 32."""
    names = tuple(f"class {number}" for number in range(CLASSES))
    return CacheSpec(f"bench-{profile}-{images}", names, size, profile, images, 32, align_corners=True)


# ---------------------------------------------------------------------------------------------------------- plain code


class PlainStatistics(NamedTuple):
    """Of one image, by label."""

    pixel_count_C: np.ndarray
    confidence_sum_C: np.ndarray
    entropy_sum_C: np.ndarray
    centroid_CC: np.ndarray
    """Mean probability vector of the pixels of each label; 0 where it has none."""


def plain_statistics(prob_CHW: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, PlainStatistics]:
    """Label, confidence, entropy and statistics by numpy: whole volumes, one mask for each class."""
    classes = len(prob_CHW)
    label_HW = prob_CHW.argmax(axis=0)
    confidence_HW = prob_CHW.max(axis=0)
    entropy_HW = -(prob_CHW * np.log(prob_CHW + np.float32(1e-30))).sum(axis=0)
    count_C, trust_C, doubt_C = np.zeros(classes, np.int64), np.zeros(classes), np.zeros(classes)
    centroid_CC = np.zeros((classes, classes))
    for label in range(classes):
        mask_HW = label_HW == label
        count_C[label] = mask_HW.sum()
        if count_C[label]:
            trust_C[label] = confidence_HW[mask_HW].sum(dtype=np.float64)
            doubt_C[label] = entropy_HW[mask_HW].sum(dtype=np.float64)
            centroid_CC[label] = prob_CHW[:, mask_HW].mean(axis=1)
    return label_HW, confidence_HW, entropy_HW, PlainStatistics(count_C, trust_C, doubt_C, centroid_CC)


def plain_threshold(confidence: np.ndarray, portion: float) -> float:
    """CBST's paper rule: the element floor(n·p) of the falling list, just below it where that ties with the first.

    1 for a class without pixels.
    """
    falling = np.sort(confidence)[::-1]
    if not len(falling):
        return 1.0
    count = math.floor(len(falling) * portion)
    tied = count > 0 and falling[count] == falling[0]
    return float(np.nextafter(falling[count], np.float32(0)) if tied else falling[count])


def plain_cbst_label(prob_CHW: np.ndarray, threshold_C: np.ndarray) -> np.ndarray:
    """The class with the largest p / threshold where that exceeds 1."""
    weight_CHW = prob_CHW / threshold_C.astype(np.float32)[:, None, None]
    return np.where(weight_CHW.max(axis=0) > 1, weight_CHW.argmax(axis=0), IGNORE).astype(np.uint8)


def plain_lse(
    pixel_count_NC: np.ndarray, confidence_sum_NC: np.ndarray, entropy_sum_NC: np.ndarray, portion: float
) -> tuple[list[int], np.ndarray]:
    """LSE's Algorithm 1, written again: selected images and thresholds."""
    images: list[int] = []
    threshold_C = np.zeros(CLASSES)
    for label in range(CLASSES):
        present = [image for image, count in enumerate(pixel_count_NC[:, label]) if count]
        present.sort(key=lambda image, c=label: -confidence_sum_NC[image, c] / pixel_count_NC[image, c])
        if present:
            count = max(1, math.floor(round(len(present) * portion / CLASSES, 9)))
            images += [image for image in present[:count] if image not in images]
            border = present[count - 1]
            entropy = entropy_sum_NC[border, label] / pixel_count_NC[border, label]
            threshold_C[label] = entropy / math.log(CLASSES)
    return images, threshold_C


def plain_rest(
    prob_CHW: np.ndarray, label_HW: np.ndarray, confidence_HW: np.ndarray, entropy_HW: np.ndarray
) -> tuple[np.ndarray, ...]:
    """What else a cache keeps of each class: least and largest entropy, weighted centroid, both histograms."""
    least_C, largest_C, weighted_CC = np.zeros(CLASSES), np.zeros(CLASSES), np.zeros((CLASSES, CLASSES))
    confidence_CB = np.zeros((CLASSES, 2**16), np.int64)
    entropy_CB = np.zeros((CLASSES, ENTROPY_BINS), np.int64)
    for label in range(CLASSES):
        mask_HW = label_HW == label
        if mask_HW.any():
            confidence, entropy = confidence_HW[mask_HW], entropy_HW[mask_HW]
            least_C[label], largest_C[label] = entropy.min(), entropy.max()
            weighted_CC[label] = (prob_CHW[:, mask_HW] * confidence).sum(axis=1)
            confidence_CB[label] = np.histogram(confidence, 2**16, (0, 1))[0]
            entropy_CB[label] = np.histogram(entropy, ENTROPY_BINS, (0, math.log(CLASSES)))[0]
    return least_C, largest_C, weighted_CC, confidence_CB, entropy_CB


class ConfidenceLists:
    """CBST as released: Python lists of every 4th pixel's confidence by class, sorted at the end."""

    def __init__(self) -> None:
        self.lists: list[list[np.float32]] = [[] for _ in range(CLASSES)]

    def add(self, label_HW: np.ndarray, confidence_HW: np.ndarray) -> None:
        """Appends an image."""
        for label in range(CLASSES):
            mask_HW = label_HW == label
            if mask_HW.any():
                self.lists[label].extend(confidence_HW[mask_HW].astype(np.float32)[::4])

    def thresholds(self, portion: float) -> np.ndarray:
        """The last selected confidence of each class; 1 where none is selected."""
        threshold_C = np.ones(CLASSES)
        for label, confidence in enumerate(self.lists):
            falling = sorted(confidence, reverse=True)
            selected = math.floor(len(falling) * portion)
            if selected:
                threshold_C[label] = falling[selected - 1]
        return threshold_C
