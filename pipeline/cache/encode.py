"""Encoding one image for a part, from its logits or probabilities."""

# C class, H/W pixels, h/w network resolution, B bins

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from pipeline.cache.bins import CONFIDENCE_BINS, ENTROPY_BINS, ENTROPY_LEVELS
from pipeline.cache.codec import EncodedArray, confidence_code, encode_array, probability_roots
from pipeline.cache.kernels import PlanesHW, Sums, add_to_histograms, empty_planes, empty_sums, measure_probabilities
from pipeline.cache.reconstruct import reconstruct, source_of
from pipeline.cache.schema import CONFIDENCE, ENTROPY, LABEL, LOGITS, ROOTS, VOLUMES, CacheError, CacheSpec
from pipeline.common.box import Box

_LOGITS_TILE = (48, 48)
_PLANE_TILE = (256, 512)
_ROOTS_TILE = (128, 256)
_VOLUME_TILE = (64, 128)


class Histograms(NamedTuple):
    """Pixels by label and confidence, and by label and entropy; bins.py."""

    confidence_CB: np.ndarray
    entropy_CB: np.ndarray

    def add_pixels(self, planes: PlanesHW) -> None:
        """Count the pixels of an image."""
        add_to_histograms(*planes, self.confidence_CB, self.entropy_CB)

    def add(self, other: Histograms) -> None:
        """Add counts of other images."""
        for mine, theirs in zip(self, other, strict=True):
            mine += theirs


def empty_histograms(classes: int) -> Histograms:
    """Return histograms of no pixels."""
    return Histograms(np.zeros((classes, CONFIDENCE_BINS), np.uint32), np.zeros((classes, ENTROPY_BINS), np.uint32))


class EncodedImage(NamedTuple):
    """Compressed datasets and statistics of one image, and the planes or counts for its part's histograms."""

    arrays: dict[str, EncodedArray]
    statistics: dict[str, np.ndarray]
    planes: PlanesHW | None
    counts: Histograms | None = None
    """Of the whole batch, counted already; only its first image has them."""

    def count_into(self, histograms: Histograms) -> None:
        """Add the image (or its batch) to the histograms."""
        if self.planes is not None:
            histograms.add_pixels(self.planes)
        if self.counts is not None:
            histograms.add(self.counts)


def encode_logits(image_id: str, views: list[np.ndarray], spec: CacheSpec) -> EncodedImage:
    """Measure and compress an image from the logits (C,h,w) of its views.

    Raises:
        CacheError: a logit is NaN or infinity.
    """
    if not all(np.isfinite(logits_Chw).all() for logits_Chw in views):
        raise CacheError(
            f"{image_id}: the network's output is NaN or infinity; its training has diverged ({spec.origin})"
        )
    whole = Box(0, 0, *spec.size)
    sources = [
        (view, low, source_of((low.shape[1], low.shape[2]), spec.size, spec.align_corners, whole, view.flip))
        for view, low in zip(spec.views, views, strict=True)
    ]
    planes, sums = empty_planes(spec.size), empty_sums(spec.classes)
    reconstruct(sources, planes=planes, sums=sums)
    arrays = logits_arrays(views, spec) | viewing_arrays(planes.label_HW, _entropy_byte(planes, spec))
    return EncodedImage(arrays, named_statistics(sums), planes)


def encode_probabilities(image_id: str, prob_CHW: np.ndarray, spec: CacheSpec) -> EncodedImage:
    """Measure and compress an image from its full-size probabilities (C,H,W) float32.

    Statistics, label and entropy are those of the given probabilities, even if the stored volume is approximate.

    Raises:
        CacheError: a probability is NaN or infinity.
    """
    if not np.isfinite(prob_CHW).all():
        raise CacheError(f"{image_id}: the probabilities hold NaN or infinity ({spec.origin})")
    planes, sums = empty_planes(spec.size), empty_sums(spec.classes)
    measure_probabilities(np.ascontiguousarray(prob_CHW), planes=planes, sums=sums)
    if spec.profile == "float32":
        arrays = {VOLUMES: encode_array(prob_CHW, (spec.classes, *_VOLUME_TILE))}
    else:
        arrays = volume_arrays(probability_roots(prob_CHW), confidence_code(planes.confidence_HW))
    arrays |= viewing_arrays(planes.label_HW, _entropy_byte(planes, spec))
    return EncodedImage(arrays, named_statistics(sums), planes)


def logits_arrays(views: list[np.ndarray], spec: CacheSpec) -> dict[str, EncodedArray]:
    """Compress the logits (C,h,w) of each view."""
    return {
        f"{LOGITS}/{view.name}": encode_array(logits_Chw, (spec.classes, *_LOGITS_TILE))
        for view, logits_Chw in zip(spec.views, views, strict=True)
    }


def volume_arrays(roots_CHW: np.ndarray, code_HW: np.ndarray) -> dict[str, EncodedArray]:
    """Compress codec.probability_roots and codec.confidence_code."""
    return {
        ROOTS: encode_array(roots_CHW, (len(roots_CHW), *_ROOTS_TILE)),
        CONFIDENCE: encode_array(code_HW, _PLANE_TILE),
    }


def viewing_arrays(label_HW: np.ndarray, entropy_byte_HW: np.ndarray) -> dict[str, EncodedArray]:
    """Compress the two planes that every cache has."""
    return {LABEL: encode_array(label_HW, _PLANE_TILE), ENTROPY: encode_array(entropy_byte_HW, _PLANE_TILE)}


def _entropy_byte(planes: PlanesHW, spec: CacheSpec) -> np.ndarray:
    scale = np.float32(ENTROPY_LEVELS / math.log(spec.classes))
    level_HW: np.ndarray = np.rint(planes.entropy_HW * scale).clip(0, ENTROPY_LEVELS).astype(np.uint8)
    return level_HW * np.uint8(255 // ENTROPY_LEVELS)


def named_statistics(sums: Sums) -> dict[str, np.ndarray]:
    """Return schema.ALL_STATISTICS of one image."""
    named = {name.rpartition("_")[0]: value for name, value in sums._asdict().items()}
    return named | {"entropy_mean": np.asarray(sums.entropy_sum_C.sum() / max(1, sums.pixel_count_C.sum()))}
