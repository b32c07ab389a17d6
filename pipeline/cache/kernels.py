"""Compiled loops over pixels: up-sample, softmax, arg-max, entropy and statistics in one pass, row by row.

Eager torch writes every intermediate volume (19 x 512 x 1024 float32 = 40 MB) to memory and reads it back. Here one row
of all classes (78 kB) stays in the processor's cache from the interpolation to the statistics. The probabilities have
the bits of torch's softmax over its bilinear up-sample (where its loops are vectorised; at sizes that leave a rest it
rounds a few pixels otherwise, differently from batch to batch).

All loops release the GIL and use one thread; callers with more threads give each a band of rows, or an image.
"""

# C class, H/W pixels of the window, R low-resolution rows that it needs

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import njit

from pipeline.cache.arithmetic import exponential, fused_multiply_add, logarithm
from pipeline.cache.bins import COARSE_BINS, SURE
from pipeline.cache.interpolation import Axis

_COMPILED: Any = {"nogil": True, "cache": True, "error_model": "numpy"}
_F = np.float32

_SURE = _F(SURE)
_ROWS_IN_A_SUM = 64
"""Columns are summed in float32 for so many rows, then in float64."""


class Sums(NamedTuple):
    """Sums of ``measure_*`` over the pixels of each label; see cache/schema.py. All but the first float64."""

    pixel_count_C: np.ndarray
    confidence_sum_C: np.ndarray
    entropy_sum_C: np.ndarray
    entropy_min_C: np.ndarray
    entropy_max_C: np.ndarray
    probability_sum_CC: np.ndarray
    weighted_probability_sum_CC: np.ndarray


def empty_sums(classes: int) -> Sums:
    """Return sums over no pixels."""
    trust, doubt, smallest, largest = np.zeros((4, classes))
    plain, weighted = np.zeros((2, classes, classes))
    return Sums(np.zeros(classes, np.int64), trust, doubt, smallest, largest, plain, weighted)


@njit(**_COMPILED)
def _expand_columns(low_CRw: Any, first: Any, second: Any, first_weight: Any, second_weight: Any) -> Any:
    """Interpolate along the columns only: (R,C,W), so that a row of all classes is contiguous."""
    classes, rows, _ = low_CRw.shape
    expanded_RCW = np.empty((rows, classes, len(first)), np.float32)
    for row in range(rows):
        for c in range(classes):
            line, out = low_CRw[c, row], expanded_RCW[row, c]
            for x in range(len(first)):
                out[x] = fused_multiply_add(line[first[x]], first_weight[x], line[second[x]] * second_weight[x])
    return expanded_RCW


@njit(**_COMPILED)
def _softmax_row(
    upper_CW: Any, lower_CW: Any, upper_weight: Any, lower_weight: Any, prob_CHW: Any, y: Any, work_3W: Any
) -> None:
    """Compute one full-size row: interpolate between two rows of logits, then softmax over C, in torch's order."""
    classes, _, width = prob_CHW.shape
    largest_W, total_W, product_W = work_3W[0], work_3W[1], work_3W[2]
    largest_W[:] = _F(-np.inf)
    for c in range(classes):
        upper, lower, row = upper_CW[c], lower_CW[c], prob_CHW[c, y]
        for x in range(width):
            value = fused_multiply_add(upper[x], upper_weight, lower[x] * lower_weight)
            row[x] = value
            largest_W[x] = max(largest_W[x], value)
    total_W[:] = _F(0)
    product_W[:] = _F(0)
    for c in range(classes):
        row = prob_CHW[c, y]
        for x in range(width):
            below = row[x] - largest_W[x]
            value = exponential(below)
            row[x] = value
            total_W[x] += value
            product_W[x] += value * below
    for c in range(classes):
        row = prob_CHW[c, y]
        for x in range(width):
            row[x] = row[x] / total_W[x]


@njit(**_COMPILED)
def _entropy_of_logits(work_3W: Any, entropy_W: Any, largest_entropy: Any) -> None:
    """Compute the entropy in nats from the softmax's sums: ln Σe - Σ e·(l - max) / Σe, one logarithm for a pixel."""
    for x in range(len(entropy_W)):
        total = work_3W[1, x]
        entropy = logarithm(total) - work_3W[2, x] / total
        entropy_W[x] = min(max(entropy, _F(0)), largest_entropy)


@njit(**_COMPILED)
def _entropy_of_probabilities(prob_CHW: Any, y: Any, entropy_W: Any, largest_entropy: Any) -> None:
    """Compute the entropy in nats, -Σ p ln p."""
    entropy_W[:] = _F(0)
    for c in range(len(prob_CHW)):
        row = prob_CHW[c, y]
        for x in range(len(entropy_W)):
            entropy_W[x] -= row[x] * logarithm(row[x])
    for x in range(len(entropy_W)):
        entropy_W[x] = min(max(entropy_W[x], _F(0)), largest_entropy)


@njit(**_COMPILED)
def _largest_of_row(prob_CHW: Any, y: Any, label_W: Any, confidence_W: Any, index_W: Any) -> None:
    """Find label (the first of equals) and largest probability; ``index_W`` is as wide as a float to vectorise."""
    confidence_W[:] = prob_CHW[0, y]
    index_W[:] = 0
    for c in range(1, len(prob_CHW)):
        row, index = prob_CHW[c, y], np.int32(c)
        for x in range(len(label_W)):
            larger = row[x] > confidence_W[x]
            confidence_W[x] = row[x] if larger else confidence_W[x]
            index_W[x] = index if larger else index_W[x]
    for x in range(len(label_W)):
        label_W[x] = np.uint8(index_W[x])


@njit(**_COMPILED)
def _add_row(prob_CHW: Any, y: Any, label_W: Any, confidence_W: Any, entropy_W: Any, columns: Any, sums: Any) -> None:
    """Add a row to the columns' sums; when a label differs from the row above, flush the column's sums first.

    Labels mostly stay the same from row to row, so nearly all work is plain additions along the row: no reduction, and
    the same result whatever the processor's vectors are.
    """
    label_of_W, count_W, trust_W, doubt_W, smallest_W, largest_W, plain_CW, weighted_CW = columns
    classes, _, width = prob_CHW.shape
    for x in range(width):
        if label_of_W[x] != label_W[x]:
            _flush_column(x, columns, sums)
            label_of_W[x] = label_W[x]
    for x in range(width):
        count_W[x] += 1
        trust_W[x] += confidence_W[x]
        doubt_W[x] += entropy_W[x]
        smallest_W[x] = min(smallest_W[x], entropy_W[x])
        largest_W[x] = max(largest_W[x], entropy_W[x])
    for c in range(classes):
        row, plain, weighted = prob_CHW[c, y], plain_CW[c], weighted_CW[c]
        for x in range(width):
            plain[x] += row[x]
            weighted[x] += row[x] * confidence_W[x]


@njit(**_COMPILED)
def _flush_column(x: Any, columns: Any, sums: Any) -> None:
    """Add a column's sums to those of its label, and empty it."""
    label_of_W, count_W, trust_W, doubt_W, smallest_W, largest_W, plain_CW, weighted_CW = columns
    count, confidence_sum, entropy_sum, smallest, largest, centroid, weighted = sums
    if count_W[x] == 0:
        return
    label = label_of_W[x]
    first = count[label] == 0
    smallest[label] = smallest_W[x] if first else min(smallest[label], smallest_W[x])
    largest[label] = largest_W[x] if first else max(largest[label], largest_W[x])
    count[label] += count_W[x]
    confidence_sum[label] += trust_W[x]
    entropy_sum[label] += doubt_W[x]
    for c in range(len(plain_CW)):
        centroid[label, c] += plain_CW[c, x]
        weighted[label, c] += weighted_CW[c, x]
        plain_CW[c, x] = _F(0)
        weighted_CW[c, x] = _F(0)
    count_W[x], trust_W[x], doubt_W[x] = 0, 0.0, 0.0
    smallest_W[x], largest_W[x] = _F(np.inf), _F(-np.inf)


@njit(**_COMPILED)
def _empty_columns(classes: Any, width: Any) -> Any:
    return (
        np.zeros(width, np.uint8),
        np.zeros(width, np.int64),
        np.zeros(width, np.float64),
        np.zeros(width, np.float64),
        np.full(width, np.inf, np.float32),
        np.full(width, -np.inf, np.float32),
        np.zeros((classes, width), np.float32),
        np.zeros((classes, width), np.float32),
    )


@njit(**_COMPILED)
def _flush_all(columns: Any, sums: Any) -> None:
    for x in range(len(columns[0])):
        _flush_column(x, columns, sums)


@njit(**_COMPILED)
def _rows_of_logits(
    expanded_RCW: Any, upper: Any, lower: Any, upper_weight: Any, lower_weight: Any,
    prob_CHW: Any, first_row: Any, label_HW: Any, confidence_HW: Any, entropy_HW: Any, largest_entropy: Any, sums: Any,
) -> None:  # fmt: skip
    """Compute from low-resolution logits everything that is not None; a ``prob_CHW`` of one row is reused."""
    _, classes, width = expanded_RCW.shape
    work_3W, index_W = np.empty((3, width), np.float32), np.empty(width, np.int32)
    if sums is not None:
        columns = _empty_columns(classes, width)
    for y in range(len(upper)):
        out_row = (first_row + y) % prob_CHW.shape[1]
        _softmax_row(
            expanded_RCW[upper[y]], expanded_RCW[lower[y]], upper_weight[y], lower_weight[y], prob_CHW, out_row, work_3W
        )
        if label_HW is not None:
            _largest_of_row(prob_CHW, out_row, label_HW[y], confidence_HW[y], index_W)
            _entropy_of_logits(work_3W, entropy_HW[y], largest_entropy)
        if sums is not None:
            _add_row(prob_CHW, out_row, label_HW[y], confidence_HW[y], entropy_HW[y], columns, sums)
            if y % _ROWS_IN_A_SUM == _ROWS_IN_A_SUM - 1 or y == len(upper) - 1:
                _flush_all(columns, sums)


@njit(**_COMPILED)
def _rows_of_probabilities(
    prob_CHW: Any, label_HW: Any, confidence_HW: Any, entropy_HW: Any, largest_entropy: Any, sums: Any
) -> None:
    """Compute the same from probabilities."""
    classes, height, width = prob_CHW.shape
    index_W = np.empty(width, np.int32)
    if sums is not None:
        columns = _empty_columns(classes, width)
    for y in range(height):
        _largest_of_row(prob_CHW, y, label_HW[y], confidence_HW[y], index_W)
        _entropy_of_probabilities(prob_CHW, y, entropy_HW[y], largest_entropy)
        if sums is not None:
            _add_row(prob_CHW, y, label_HW[y], confidence_HW[y], entropy_HW[y], columns, sums)
            if y % _ROWS_IN_A_SUM == _ROWS_IN_A_SUM - 1 or y == height - 1:
                _flush_all(columns, sums)


class Window(NamedTuple):
    """A window of an image, interpolated along its columns, and the positions and weights of its rows."""

    expanded_RCW: np.ndarray
    rows: Axis

    def band(self, start: int, stop: int) -> Window:
        """Return a few of its rows."""
        return Window(self.expanded_RCW, self.rows.window(start, stop - start))


def window_of(low_CRw: np.ndarray, rows: Axis, columns: Axis) -> Window:
    """Return a window; ``low_CRw`` may be the part of the logits that ``rows`` and ``columns`` read."""
    return Window(_expand_columns(np.ascontiguousarray(low_CRw), *columns), rows)


class PlanesHW(NamedTuple):
    """Per pixel: label uint8, largest probability float32, entropy in nats float32."""

    label_HW: np.ndarray
    confidence_HW: np.ndarray
    entropy_HW: np.ndarray

    def band(self, start: int, stop: int) -> PlanesHW:
        """Return a few of its rows."""
        return PlanesHW(*(plane[start:stop] for plane in self))


def empty_planes(size: tuple[int, int]) -> PlanesHW:
    """Return planes to be filled."""
    return PlanesHW(np.empty(size, np.uint8), np.empty(size, np.float32), np.empty(size, np.float32))


def measure_logits(
    window: Window,
    *,
    prob_CHW: np.ndarray | None = None,
    first_row: int = 0,
    planes: PlanesHW | None = None,
    sums: Sums | None = None,
) -> None:
    """Fill the given probabilities (from ``first_row`` on) and planes, and add to the sums.

    Sums need planes. ``prob_CHW`` is contiguous, and may be higher than the window.
    """
    _, classes, width = window.expanded_RCW.shape
    if prob_CHW is None:
        prob_CHW = np.empty((classes, 1, width), np.float32)
    label_HW, confidence_HW, entropy_HW = planes if planes is not None else (None, None, None)
    _rows_of_logits(
        window.expanded_RCW, *window.rows, prob_CHW, first_row, label_HW, confidence_HW, entropy_HW,
        _F(np.log(classes)), None if sums is None else tuple(sums),
    )  # fmt: skip


def measure_probabilities(prob_CHW: np.ndarray, *, planes: PlanesHW, sums: Sums | None = None) -> None:
    """Fill planes and add to sums from float32 probabilities that sum to 1 over C."""
    plain = None if sums is None else tuple(sums)
    _rows_of_probabilities(prob_CHW, *planes, _F(np.log(len(prob_CHW))), plain)


@njit(**_COMPILED)
def add_to_histograms(label_HW: Any, confidence_HW: Any, entropy_HW: Any, confidence_CB: Any, entropy_CB: Any) -> None:
    """Count every pixel in the histograms of its label: confidence and entropy (bins.py)."""
    entropy_scale = _F(entropy_CB.shape[1] / np.log(len(entropy_CB)))
    last = np.int32(entropy_CB.shape[1] - 1)
    for y in range(label_HW.shape[0]):
        for x in range(label_HW.shape[1]):
            label = np.uintp(label_HW[y, x])  # unsigned: an index that may be negative costs a test
            confidence_CB[label, np.uintp(confidence_bin(confidence_HW[y, x]))] += np.uint32(1)
            entropy_CB[label, np.uintp(min(last, np.int32(entropy_HW[y, x] * entropy_scale)))] += np.uint32(1)


@njit(inline="always")
def confidence_bin(confidence: Any) -> Any:
    """Return the bin of a confidence: of width 2^-16 below ``SURE``, from there one for each float32."""
    if confidence < _SURE:
        return np.int32(confidence * _F(65536))
    return np.int32(COARSE_BINS) + np.int32(2**15) - np.int32((_F(1) - confidence) * _F(2**24))
