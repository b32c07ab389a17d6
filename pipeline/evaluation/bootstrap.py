"""How far a score, or the difference of two, may be chance of which images are in the evaluation split.

Bootstrap over images (Efron and Tibshirani 1993, percentile intervals): the split is drawn again with replacement, and
the score computed from the sums over the drawn images, as it is over all. Two runs are compared over the same draws.
Tiles of one picture resemble each other, so whole pictures are drawn; of a single picture, its tiles.
"""

# R resample, N image, C class

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from pipeline.common.tiling import picture_of
from pipeline.evaluation.images import ClassPixels

RESAMPLES = 1000
_LEVEL = 0.95
_BLOCK = 4_000_000
"""Weights of images that are held at once."""


def interval(score_R: np.ndarray, other_R: np.ndarray) -> tuple[float, float] | None:
    """Return the 95 % interval of a difference over resamples, both of ``resampled`` with the same seed.

    None where no resample holds a labelled pixel.
    """
    known_R = (score_R - other_R)[~np.isnan(score_R - other_R)]
    if not known_R.size:
        return None
    low, high = np.quantile(known_R, [(1 - _LEVEL) / 2, (1 + _LEVEL) / 2])
    return round(float(low), 6), round(float(high), 6)  # the last digits depend on the processor


def resampled(
    pixels: ClassPixels, headline: str, subsets: Mapping[str, Sequence[str]], seed: int, count: int = RESAMPLES
) -> np.ndarray | None:
    """Return the headline metric (R,) of resampled images; the same draws for the same seed and number of images.

    NaN where a resample holds no labelled pixel. None for a metric that is not a sum over images: one that is neither
    mIoU, a subset of the classes, nor pixel accuracy.
    """
    members = _members(pixels.names, headline, subsets)
    if members is None:
        return None
    pixels = _by_picture(pixels)
    blocks = [weight_RN @ _both(pixels) for weight_RN in _weights(len(pixels.images), seed, count)]
    intersection_RC, union_RC = np.split(np.concatenate(blocks), 2, axis=1)
    if headline == "pixel_accuracy":
        return _accuracy(intersection_RC, union_RC)
    return _mean_iou(intersection_RC[:, members], union_RC[:, members])


def _members(names: Sequence[str], headline: str, subsets: Mapping[str, Sequence[str]]) -> list[int] | None:
    chosen = names if headline in ("mIoU", "pixel_accuracy") else subsets.get(headline)
    if chosen is None or not set(chosen) <= set(names):  # params.yaml may be newer than the evaluation
        return None
    return [names.index(name) for name in chosen]


def _by_picture(pixels: ClassPixels) -> ClassPixels:
    """Return the sums over each picture's tiles; images that are not tiles as they are."""
    pictures, number_N = np.unique([picture_of(image) for image in pixels.images], return_inverse=True)
    if len(pictures) in (1, len(pixels.images)):
        return pixels
    sums = [np.zeros((len(pictures), len(pixels.names)), np.int64) for _ in range(2)]
    np.add.at(sums[0], number_N, pixels.intersection_NC)
    np.add.at(sums[1], number_N, pixels.union_NC)
    return ClassPixels(pictures.tolist(), pixels.names, *sums)


def _both(pixels: ClassPixels) -> np.ndarray:
    """Return intersections and unions beside each other as float64, in which sums of pixels are exact."""
    return np.concatenate([pixels.intersection_NC, pixels.union_NC], axis=1).astype(np.float64)


def _weights(images: int, seed: int, count: int) -> Iterator[np.ndarray]:
    """Yield how often each image is drawn, for some resamples at a time."""
    generator = np.random.default_rng(seed)
    size = max(1, _BLOCK // images)
    for first in range(0, count, size):
        rows = min(size, count - first)
        drawn_RN = generator.integers(images, size=(rows, images)) + images * np.arange(rows)[:, None]
        yield np.bincount(drawn_RN.ravel(), minlength=rows * images).reshape(rows, images).astype(np.float64)


def _mean_iou(intersection_RC: np.ndarray, union_RC: np.ndarray) -> np.ndarray:
    """Return the mean IoU (R,) over the classes that are true or predicted in the resample, as ``mean_iou`` does."""
    there_RC = union_RC > 0
    iou_RC = np.divide(intersection_RC, union_RC, out=np.zeros_like(union_RC), where=there_RC)
    return _quotient(iou_RC.sum(axis=1), there_RC.sum(axis=1))


def _accuracy(intersection_RC: np.ndarray, union_RC: np.ndarray) -> np.ndarray:
    """Return the share of right pixels (R,): a wrong pixel is in the unions of two classes, a right one in one."""
    right_R = intersection_RC.sum(axis=1)
    return _quotient(right_R, (right_R + union_RC.sum(axis=1)) / 2)


def _quotient(part_R: np.ndarray, whole_R: np.ndarray) -> np.ndarray:
    quotient_R: np.ndarray = np.divide(part_R, whole_R, out=np.full(len(part_R), np.nan), where=whole_R > 0)
    return quotient_R
