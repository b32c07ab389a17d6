"""Reconstructing full-size probabilities of a window from stored logits, on the CPU or on a GPU."""

# C class, H/W pixels of the window, h/w network resolution, r/s the rows and columns of it that the window needs

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from pipeline.cache.interpolation import Axis, linear_axis
from pipeline.cache.kernels import PlanesHW, Sums, Window, measure_logits, measure_probabilities, window_of
from pipeline.cache.schema import View
from pipeline.common.box import Box

_ROWS_OF_A_BAND = 32


class Source(NamedTuple):
    """The rows and columns of one view's logits that a window needs, and how the window is interpolated from them."""

    rows: Axis
    columns: Axis
    row_range: tuple[int, int]
    column_range: tuple[int, int]


def source_of(low_size: tuple[int, int], size: tuple[int, int], align_corners: bool, box: Box, flip: bool) -> Source:
    """Return the logits of a view that a window needs; of a flipped view, those of the mirrored window."""
    if flip:
        box = box.mirrored(size[1])
    rows = linear_axis(low_size[0], size[0], align_corners).window(box.top, box.height)
    columns = linear_axis(low_size[1], size[1], align_corners).window(box.left, box.width)
    (rows, row_range), (columns, column_range) = _shifted(rows), _shifted(columns)
    return Source(rows, columns, row_range, column_range)


def _shifted(axis: Axis) -> tuple[Axis, tuple[int, int]]:
    """Return the axis with positions counted from the first that it reads, and the range that it reads."""
    start, stop = int(axis.first.min()), int(axis.second.max()) + 1
    return Axis(axis.first - start, axis.second - start, axis.first_weight, axis.second_weight), (start, stop)


def reconstruct(
    views: list[tuple[View, np.ndarray, Source]],
    pool: Executor | None = None,
    *,
    prob_CHW: np.ndarray | None = None,
    planes: PlanesHW | None = None,
    sums: Sums | None = None,
) -> None:
    """Fill probabilities and planes of a window from the logits (C,r,s) of its views; add to sums, without a pool.

    A single view is computed in one pass without holding the volume; several are averaged after softmax.
    """
    if len(views) > 1 or views[0][0].flip:
        volume_CHW = _averaged(views, pool)
        if prob_CHW is not None:
            prob_CHW[:] = volume_CHW
        if planes is not None:
            measure_probabilities(volume_CHW, planes=planes, sums=sums)
        return
    _, low_Crs, source = views[0]
    window = window_of(low_Crs, source.rows, source.columns)
    if pool is None or sums is not None:
        measure_logits(window, prob_CHW=prob_CHW, planes=planes, sums=sums)
        return
    _in_bands(
        pool,
        len(window.rows.first),
        lambda start, stop: _measure_band(window, start, stop, prob_CHW, planes),
    )


def _averaged(views: list[tuple[View, np.ndarray, Source]], pool: Executor | None) -> np.ndarray:
    height, width = len(views[0][2].rows.first), len(views[0][2].columns.first)
    total_CHW: np.ndarray | None = None
    for view, low_Crs, source in views:
        window = window_of(low_Crs, source.rows, source.columns)
        prob_CHW = np.empty((len(low_Crs), height, width), np.float32)
        if pool is None:
            measure_logits(window, prob_CHW=prob_CHW)
        else:
            _in_bands(pool, height, lambda a, b, w=window, p=prob_CHW: _measure_band(w, a, b, p, None))  # type: ignore[misc]
        if view.flip:
            prob_CHW = np.ascontiguousarray(prob_CHW[:, :, ::-1])
        total_CHW = prob_CHW if total_CHW is None else np.add(total_CHW, prob_CHW, out=total_CHW)
    assert total_CHW is not None
    total_CHW /= np.float32(len(views))
    return total_CHW


def _measure_band(window: Window, start: int, stop: int, prob_CHW: np.ndarray | None, planes: PlanesHW | None) -> None:
    measure_logits(
        window.band(start, stop),
        prob_CHW=prob_CHW,
        first_row=start,
        planes=None if planes is None else planes.band(start, stop),
    )


def _in_bands(pool: Executor, height: int, work: Callable[[int, int], None]) -> None:
    tasks = [
        pool.submit(work, start, min(start + _ROWS_OF_A_BAND, height)) for start in range(0, height, _ROWS_OF_A_BAND)
    ]
    for task in tasks:
        task.result()


def reconstruct_on_device(views: list[tuple[View, np.ndarray, Source]], device: torch.device) -> Tensor:
    """Return the same probabilities (C,H,W), by torch on a device; within rounding of the CPU's."""
    total_CHW: Tensor | None = None
    for view, low_Crs, source in views:
        low = torch.from_numpy(low_Crs).to(device)
        prob_CHW = torch.softmax(_interpolated(low, source, device), dim=0)
        if view.flip:
            prob_CHW = prob_CHW.flip(-1)
        total_CHW = prob_CHW if total_CHW is None else total_CHW + prob_CHW
    assert total_CHW is not None
    return total_CHW / len(views) if len(views) > 1 else total_CHW


def _interpolated(low_Crs: Tensor, source: Source, device: torch.device) -> Tensor:
    columns, rows = ([torch.from_numpy(values).to(device) for values in axis] for axis in (source.columns, source.rows))
    wide_CrW = low_Crs[:, :, columns[0]] * columns[2] + low_Crs[:, :, columns[1]] * columns[3]
    return wide_CrW[:, rows[0]] * rows[2][:, None] + wide_CrW[:, rows[1]] * rows[3][:, None]
