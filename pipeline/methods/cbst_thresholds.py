"""CBST: class-balanced thresholds on confidence (Zou et al., ECCV 2018, Algorithm 2 and Eq. 8).

k_c = -ln of the confidence that the fraction p of the pixels predicted as class c exceed; the pseudo-label of a pixel
is the class with the largest p_c / exp(-k_c), where that exceeds 1. The reference collects all confidences in lists and
sorts them; here the cache's histogram, counted while the network ran, says in which bin the threshold lies, and a
second pass over the images says where in it: memory does not depend on the number of images.

# C class, H/W pixels, B bins
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import njit

from pipeline.cache.bins import CONFIDENCE_BINS, confidence_edges
from pipeline.cache.codec import CONFIDENCE_OF_CODE
from pipeline.cache.index import CacheIndex
from pipeline.cache.kernels import confidence_bin
from pipeline.cache.reader import CacheReader
from pipeline.common.labels import IGNORE
from pipeline.methods.quantiles import Ranks, from_above, just_below, lies_below, selected_ranks
from pipeline.methods.selection_file import Compat

AUTHOR_STRIDE = 4
"""The released code keeps every 4th pixel of each class, in the order of the image's pixels."""


def thresholds_from_histogram(index: CacheIndex, portion: float, compat: Compat) -> np.ndarray:
    """Return exp(-k_c) of every class (C,), at most 1.6e-5 below the exact one (exact from 0.998 on). Reads no image.

    ``author``'s stride is not applied: its lists are not in the histogram.
    """
    return _values(index.histogram("confidence"), confidence_edges(), _sure_bins(), portion, compat)


def exact_thresholds(reader: CacheReader, portion: float, compat: Compat, per_class: bool = True) -> np.ndarray:
    """Return exp(-k_c) of every class (C,) float32 in float64; the same for all without ``per_class`` (ST).

    ``paper``: the confidence of the first pixel that is not selected when n_c · p (rounded down) are, in falling order.
    Just below it where all pixels are selected (p = 1), and where more than that share the largest confidence: then all
    of these are kept. ``author``: of the last that is selected, of every 4th pixel of the class; 1 where that selects
    none. A class predicted nowhere has 1: nothing reaches it.

    Of a cache in profile ``probabilities`` they are the nearest codes of confidence, within 4.4e-5.
    """
    stride = AUTHOR_STRIDE if compat == "author" else 1
    classes = reader.spec.classes
    if reader.spec.profile == "probabilities":
        counts_CB, values = _pooled(_code_counts(reader, stride), per_class), CONFIDENCE_OF_CODE.astype(np.float64)
        return _for_all(_values(counts_CB, values, np.ones(len(values), bool), portion, compat), classes)
    counts_CB = _counted(reader, stride) if stride > 1 else reader.index.histogram("confidence")
    counts_CB = _pooled(counts_CB, per_class)
    threshold_C = _values(counts_CB, confidence_edges(), _sure_bins(), portion, compat)
    places = _places(counts_CB, portion, compat)
    unsure_C = (places.ranks.rank_C >= 0) & ~_sure_bins()[places.bin_C]
    if unsure_C.any():
        lowest_C = confidence_edges()[places.bin_C].astype(np.float32)
        fine_CB = _fine_counts(reader, places.bin_C, lowest_C, unsure_C, stride, per_class)
        for class_index in np.flatnonzero(unsure_C):
            fine, above = fine_CB[class_index], places.above_C[class_index]
            step = from_above(fine, places.ranks.rank_C[class_index] - above)
            value = float((lowest_C[class_index : class_index + 1].view(np.int32) + step).view(np.float32)[0])
            below = lies_below(places.ranks, above + fine[step + 1 :].sum(), compat)[class_index]
            threshold_C[class_index] = just_below(value) if below else value
    return _for_all(threshold_C, classes)


def pseudo_label(prob_CHW: np.ndarray, threshold_C: np.ndarray, compat: Compat) -> np.ndarray:
    """Return (H,W) uint8: the class with the largest p_c / exp(-k_c), IGNORE where that is not above 1.

    ``author`` keeps a pixel that is exactly at 1.
    """
    label_HW: np.ndarray = _weighted_label(prob_CHW, threshold_C.astype(np.float32), compat == "author")
    return label_HW


# --------------------------------------------------------------------------------------------------- order statistics


class _Places(NamedTuple):
    """Where the thresholds lie in the histogram: their ranks, their bins, and how many pixels lie above each bin."""

    ranks: Ranks
    bin_C: np.ndarray
    above_C: np.ndarray


def _places(counts_CB: np.ndarray, portion: float, compat: Compat) -> _Places:
    ranks = selected_ranks(counts_CB.sum(axis=1), portion, compat)
    bins = [from_above(counts, rank) if rank >= 0 else 0 for counts, rank in zip(counts_CB, ranks.rank_C, strict=True)]
    above = [counts[index + 1 :].sum() for counts, index in zip(counts_CB, bins, strict=True)]
    return _Places(ranks, np.array(bins), np.array(above))


def _sure_bins() -> np.ndarray:
    """Return which bins (B,) hold a single float32 value."""
    sure: np.ndarray = np.append(np.diff(confidence_edges()), 0) <= 2**-23
    return sure


def _values(
    counts_CB: np.ndarray, edges: np.ndarray, single_B: np.ndarray, portion: float, compat: Compat
) -> np.ndarray:
    """Return the thresholds up to a bin: exact in a bin of a single value, else the bin's lower edge."""
    places = _places(counts_CB, portion, compat)
    value_C = edges[places.bin_C]
    below_C = places.ranks.below_all_C | (lies_below(places.ranks, places.above_C, compat) & single_B[places.bin_C])
    lowered_C = np.nextafter(value_C.astype(np.float32), np.float32(0))
    return np.where(places.ranks.rank_C < 0, 1.0, np.where(below_C, lowered_C, value_C))


def _pooled(counts_CB: np.ndarray, per_class: bool) -> np.ndarray:
    """Return the counts of one class that holds all pixels, unless each class has a threshold."""
    return counts_CB if per_class else counts_CB.sum(axis=0, keepdims=True)


def _for_all(threshold_C: np.ndarray, classes: int) -> np.ndarray:
    return np.broadcast_to(threshold_C, (classes,)).copy()


def _fine_counts(
    reader: CacheReader, bin_C: np.ndarray, lowest_C: np.ndarray, unsure_C: np.ndarray, stride: int, per_class: bool
) -> np.ndarray:
    """Count, in a second pass over the images, by float32 value within the bin of each class's threshold."""
    classes = reader.spec.classes
    bin_C, lowest_C, unsure_C = (_for_all(values, classes) for values in (bin_C, lowest_C, unsure_C))
    fine_CB = np.zeros((classes, _steps_in_widest(bin_C[unsure_C])), np.int64)
    for number in range(len(reader)):
        pixels = reader.pixels(number, volume=False)
        _count_fine(pixels.label_HW.numpy(), pixels.confidence_HW.numpy(), bin_C, lowest_C, unsure_C, stride, fine_CB)
    return _pooled(fine_CB, per_class)


def _steps_in_widest(bins: np.ndarray) -> int:
    """Return the most float32 values in one of these bins; the smaller the confidence, the more."""
    edges = confidence_edges().astype(np.float32).view(np.int32)
    return int((edges[bins + 1] - edges[bins]).max())


def _counted(reader: CacheReader, stride: int) -> np.ndarray:
    counts_CB = np.zeros((reader.spec.classes, CONFIDENCE_BINS), np.int64)
    for number in range(len(reader)):
        pixels = reader.pixels(number, volume=False)
        count_by_bin(pixels.label_HW.numpy(), _bins(pixels.confidence_HW.numpy()), stride, counts_CB)
    return counts_CB


def _code_counts(reader: CacheReader, stride: int) -> np.ndarray:
    counts_CB = np.zeros((reader.spec.classes, len(CONFIDENCE_OF_CODE)), np.int64)
    for number in range(len(reader)):
        count_by_bin(reader.label(number), reader.confidence_code(number), stride, counts_CB)
    return counts_CB


@njit(nogil=True, cache=True)
def _bins(confidence_HW: Any) -> Any:
    bin_HW = np.empty(confidence_HW.shape, np.int32)
    for y in range(confidence_HW.shape[0]):
        for x in range(confidence_HW.shape[1]):
            bin_HW[y, x] = confidence_bin(confidence_HW[y, x])
    return bin_HW


@njit(nogil=True, cache=True)
def count_by_bin(label_HW: Any, bin_HW: Any, stride: Any, counts_CB: Any) -> None:
    """Count every so many pixels of each class, in the order of the image's pixels, by bin."""
    seen_C = np.zeros(len(counts_CB), np.int64)
    for y in range(label_HW.shape[0]):
        for x in range(label_HW.shape[1]):
            label = label_HW[y, x]
            if seen_C[label] % stride == 0:
                counts_CB[label, bin_HW[y, x]] += 1
            seen_C[label] += 1


@njit(nogil=True, cache=True)
def _count_fine(
    label_HW: Any, confidence_HW: Any, bin_C: Any, lowest_C: Any, unsure_C: Any, stride: Any, fine_CB: Any
) -> None:
    """Count the pixels of each class's bin by their float32's distance from the bin's smallest, in float32 steps."""
    seen_C = np.zeros(len(bin_C), np.int64)
    lowest_bits_C = lowest_C.view(np.int32)
    bits_HW = confidence_HW.view(np.int32)
    for y in range(label_HW.shape[0]):
        for x in range(label_HW.shape[1]):
            label = label_HW[y, x]
            taken = seen_C[label] % stride == 0 and unsure_C[label]
            if taken and confidence_bin(confidence_HW[y, x]) == bin_C[label]:
                fine_CB[label, bits_HW[y, x] - lowest_bits_C[label]] += 1
            seen_C[label] += 1


@njit(nogil=True, cache=True, error_model="numpy")
def _weighted_label(prob_CHW: Any, threshold_C: Any, at_threshold: Any) -> Any:
    classes, height, width = prob_CHW.shape
    label_HW = np.empty((height, width), np.uint8)
    best_W = np.empty(width, np.float32)
    for y in range(height):
        best_W[:] = np.float32(-1)
        for c in range(classes):
            for x in range(width):
                weight = prob_CHW[c, y, x] / threshold_C[c]
                larger = weight > best_W[x]
                best_W[x] = weight if larger else best_W[x]
                label_HW[y, x] = np.uint8(c) if larger else label_HW[y, x]
        for x in range(width):
            kept = best_W[x] >= np.float32(1) if at_threshold else best_W[x] > np.float32(1)
            label_HW[y, x] = label_HW[y, x] if kept else np.uint8(IGNORE)
    return label_HW
