"""CBST-SP: thresholds on q_n(c) · p_n(c), the probability times a spatial prior (Zou et al., ECCV 2018, Sec. 4.4).

The potential q·p replaces p in CBST: its arg-max says to which class a pixel counts, and a quantile of the
largest potentials of a class is its threshold. The dump could not count them, so they are counted here in two passes
over the cache: by the upper half of the float32's bits, and then by the lower half in the one bin that holds the
threshold. Memory does not depend on the number of images.

# C class, H/W pixels, h/w the stored grid, B bins
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numba import njit
from tqdm import tqdm

from pipeline.cache.reader import CacheReader
from pipeline.common.errors import ReadableError
from pipeline.common.hdf5 import open_hdf5
from pipeline.methods.cbst_thresholds import AUTHOR_STRIDE, count_by_bin
from pipeline.methods.quantiles import from_above, just_below, lies_below, selected_ranks
from pipeline.methods.selection_file import Compat

_HALF = 16
_BINS = 1 << _HALF


def read_prior(path: Path, class_names: tuple[str, ...] | list[str], size: tuple[int, int]) -> np.ndarray:
    """Return the prior (C,H,W) float32 at an image's size, scaled so that its mean over the pixels of a class is 1.

    The scale is the same for all classes, so that it changes neither arg-max nor selection.

    Raises:
        ReadableError: the file is missing, or has other classes.
    """
    try:
        with open_hdf5(path) as file:
            names, prior_Chw = list(file.attrs["class_names"]), file["prior"][...]
    except (OSError, KeyError) as error:
        raise ReadableError(
            f"{path}: holds no spatial prior ({error}); say data.spatial_prior: true, and repeat prepare"
        ) from None
    if names != list(class_names):
        raise ReadableError(f"{path}: is a prior of {', '.join(names)}; the cache has {', '.join(class_names)}")
    low = torch.from_numpy(prior_Chw * np.float32(prior_Chw[0].size))[None]
    high = torch.nn.functional.interpolate(low, size=size, mode="bilinear", align_corners=False)
    prior_CHW: np.ndarray = high[0].numpy()
    return prior_CHW


def prior_at(path: Path, class_names: tuple[str, ...], size: tuple[int, int]) -> np.ndarray:
    """Return the prior at the size of a cache's images; it is read again when the file has changed.

    Raises:
        ReadableError: the file is missing, or has other classes.
    """
    try:
        state = path.stat()
    except OSError:
        return read_prior(path, class_names, size)  # says what is wrong
    return _prior_at(path, class_names, size, (state.st_mtime_ns, state.st_size))


@lru_cache(maxsize=2)  # two rounds beside each other
def _prior_at(path: Path, class_names: tuple[str, ...], size: tuple[int, int], _: tuple[int, int]) -> np.ndarray:
    return read_prior(path, class_names, size)


def prior_thresholds(
    reader: CacheReader, prior_CHW: np.ndarray, portion: float, compat: Compat, per_class: bool = True
) -> tuple[np.ndarray, np.ndarray]:
    """Return the thresholds (C,) of the potentials q·p, and the number (C,) of pixels whose largest is each class's.

    By the rules of ``cbst_thresholds.exact_thresholds``; where nothing is selected, the largest potential that there
    could be: that of probability 1 where the prior is largest. The author's list begins anew with every image, as ours.
    """
    stride = AUTHOR_STRIDE if compat == "author" else 1
    classes = reader.spec.classes
    upper_CB, pixels_C = np.zeros((classes, _BINS), np.int64), np.zeros(classes, np.int64)
    for label_HW, bits_HW in _potentials(reader, prior_CHW):
        count_by_bin(label_HW, bits_HW >> _HALF, stride, upper_CB)
        pixels_C += np.bincount(label_HW.ravel(), minlength=classes)
    pooled_CB = upper_CB if per_class else upper_CB.sum(axis=0, keepdims=True)
    ranks = selected_ranks(pooled_CB.sum(axis=1), portion, compat)
    bin_G = np.array(
        [from_above(counts, rank) if rank >= 0 else -1 for counts, rank in zip(pooled_CB, ranks.rank_C, strict=True)]
    )
    bin_C = np.broadcast_to(bin_G, (classes,))
    lower_CB = np.zeros((classes, _BINS), np.int64)
    for label_HW, bits_HW in _potentials(reader, prior_CHW):
        _count_lower(label_HW, bits_HW, bin_C, stride, lower_CB)
    lower_GB = lower_CB if per_class else lower_CB.sum(axis=0, keepdims=True)
    largest_C = prior_CHW.max(axis=(1, 2)).astype(np.float64)
    nothing_G = largest_C if per_class else largest_C.max(keepdims=True)
    threshold_G = nothing_G.copy()
    for group in np.flatnonzero(ranks.rank_C >= 0):
        above = int(pooled_CB[group, bin_G[group] + 1 :].sum())
        value, larger = _value(int(bin_G[group]), lower_GB[group], int(ranks.rank_C[group]), above)
        below = lies_below(ranks, larger, compat)[group]
        threshold_G[group] = just_below(value) if below else value
    return np.broadcast_to(threshold_G, (classes,)).copy(), pixels_C


def _value(bin_: int, lower: np.ndarray, rank: int, above: int) -> tuple[float, int]:
    """Return the potential of that rank, and how many are larger."""
    step = from_above(lower, rank - above)
    value = np.array([(bin_ << _HALF) | step], np.int32).view(np.float32)[0]
    return float(value), above + int(lower[step + 1 :].sum())


def _potentials(reader: CacheReader, prior_CHW: np.ndarray) -> Any:
    """Yield for each image the class with the largest potential, and that potential's bits as int32."""
    for number in tqdm(range(len(reader)), unit="image", desc="spatial prior", disable=None):
        label_HW, potential_HW = largest_potential(reader.probability(number).numpy(), prior_CHW)
        yield label_HW, potential_HW.view(np.int32)


@njit(nogil=True, cache=True, error_model="numpy")
def largest_potential(prob_CHW: Any, prior_CHW: Any) -> Any:
    """Return (H,W) uint8 the class with the largest q·p, of ties the first, and (H,W) float32 that q·p."""
    classes, height, width = prob_CHW.shape
    label_HW = np.zeros((height, width), np.uint8)
    best_HW = np.full((height, width), np.float32(-1))
    for y in range(height):
        for c in range(classes):
            for x in range(width):
                value = prob_CHW[c, y, x] * prior_CHW[c, y, x]
                larger = value > best_HW[y, x]
                best_HW[y, x] = value if larger else best_HW[y, x]
                label_HW[y, x] = np.uint8(c) if larger else label_HW[y, x]
    return label_HW, best_HW


@njit(nogil=True, cache=True)
def _count_lower(label_HW: Any, bits_HW: Any, bin_C: Any, stride: Any, lower_CB: Any) -> None:
    seen_C = np.zeros(len(lower_CB), np.int64)
    for y in range(label_HW.shape[0]):
        for x in range(label_HW.shape[1]):
            label = label_HW[y, x]
            if seen_C[label] % stride == 0 and bits_HW[y, x] >> 16 == bin_C[label]:
                lower_CB[label, bits_HW[y, x] & 0xFFFF] += 1
            seen_C[label] += 1
