"""A large picture in overlapping tiles, and their probabilities stitched: never more in memory than a row of tiles.

Where two tiles overlap, both are weighted by linear ramps that sum to 1 over ``overlap`` pixels in the middle of their
common strip; what is farther out in a tile, where the network sees least around a pixel, is not used.
"""

# C class, H/W pixels of the picture, h/w pixels of a tile or a part of it, O overlap

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol

import numpy as np

from pipeline.common.tiling import Span, Tiling, spans_of

Probabilities = Callable[[np.ndarray], np.ndarray]
"""From a tile (h,w,3) uint8 to its probabilities (C,h,w) float32."""


class Rows(Protocol):
    """A picture that is read by rows."""

    height: int
    width: int

    def rows(self, top: int, bottom: int) -> np.ndarray:
        """Return the rows (h,W,3) uint8."""


def stitched(
    picture: Rows, tiling: Tiling, probabilities: Probabilities, reduce: Callable[[np.ndarray], np.ndarray]
) -> Iterator[np.ndarray]:
    """Yield bands of the whole width from the top to the bottom, each ``reduce`` of the blended probabilities.

    ``reduce`` takes a part (C,h,w) and returns (M,h,w), M numbers for each pixel; it is called part by part, so that
    the probabilities of a whole band never exist.
    """
    columns = spans_of(picture.width, tiling.tile[1], tiling.overlap)
    lines = spans_of(picture.height, tiling.tile[0], tiling.overlap)
    border = _Border(tiling.overlap, picture.width)
    for line in lines:
        seen_hW3 = picture.rows(line.start, line.stop)
        height = line.last - line.first - (0 if line is lines[-1] else tiling.overlap)
        band_MhW: np.ndarray | None = None
        for column in columns:
            prob_Chw = probabilities(seen_hW3[:, column.start : column.stop])
            prob_Chw = _weighted(prob_Chw, line, column, tiling.overlap, (picture.height, picture.width))
            width = column.last - column.first - (0 if column is columns[-1] else tiling.overlap)
            part_Mhw = reduce(border.blended(prob_Chw, column.first, height, width))
            if band_MhW is None:
                band_MhW = np.empty((len(part_Mhw), height, picture.width), part_Mhw.dtype)
            band_MhW[:, :, column.first : column.first + width] = part_Mhw
        assert band_MhW is not None
        yield band_MhW


class _Border:
    """What weighted tiles hold for their neighbours to the right and below; they come line by line, left to right."""

    def __init__(self, overlap: int, width: int) -> None:
        self._overlap, self._width = overlap, width
        self._above_COW: np.ndarray | None = None
        self._left_ChO = self._corner_COO = np.zeros((1, 1, 0), np.float32)

    def blended(self, prob_Chw: np.ndarray, first: int, height: int, width: int) -> np.ndarray:
        """Return the finished part of a tile that begins at column ``first``, and keep the rest for its neighbours."""
        overlap, is_first = self._overlap, first == 0
        total_Chw = prob_Chw[:, :height, :width]
        if not overlap:
            return total_Chw
        if not is_first:
            total_Chw[:, :, :overlap] += self._left_ChO
        if self._above_COW is not None:
            total_Chw[:, :overlap] += self._above_COW[:, :, first : first + width]
        if prob_Chw.shape[1] > height:
            self._keep_for_below(prob_Chw[:, height:], first, width)
        self._left_ChO = prob_Chw[:, :height, width:].copy()
        return total_Chw

    def _keep_for_below(self, rest_COw: np.ndarray, first: int, width: int) -> None:
        """Replace what came from above, which the tile has used: no later tile of this line uses these columns."""
        if self._above_COW is None:
            self._above_COW = np.zeros((len(rest_COw), self._overlap, self._width), np.float32)
        if first:
            rest_COw[:, :, : self._overlap] += self._corner_COO
        self._above_COW[:, :, first : first + width] = rest_COw[:, :, :width]
        self._corner_COO = rest_COw[:, :, width:].copy()


def _weighted(prob_Chw: np.ndarray, line: Span, column: Span, overlap: int, size: tuple[int, int]) -> np.ndarray:
    """Return the used part of a tile under its ramps."""
    used = (slice(span.first - span.start, span.last - span.start) for span in (line, column))
    part_Chw = np.array(prob_Chw[:, *used])
    part_Chw *= _ramps(line, overlap, size[0])[:, None]
    part_Chw *= _ramps(column, overlap, size[1])
    return part_Chw


def _ramps(span: Span, overlap: int, length: int) -> np.ndarray:
    """Return the weights along an axis: a rise where a tile is before, a fall where one follows."""
    weights = np.ones(span.last - span.first, np.float32)
    rise = np.arange(1, overlap + 1, dtype=np.float32) / (overlap + 1)
    if overlap and span.first > 0:
        weights[:overlap] = rise
    if overlap and span.last < length:
        weights[-overlap:] = 1 - rise
    return weights


class WholePicture:
    """A picture that is in memory, by rows."""

    def __init__(self, pixel_HW3: np.ndarray) -> None:
        self._pixel_HW3 = pixel_HW3
        self.height, self.width = pixel_HW3.shape[:2]

    def rows(self, top: int, bottom: int) -> np.ndarray:
        """Return the rows (h,W,3) uint8."""
        return self._pixel_HW3[top:bottom]
