"""How a large picture is cut into overlapping tiles of one size: the same by params.yaml and by ``predict --tile``."""

from __future__ import annotations

import re
from typing import NamedTuple

from pipeline.common.errors import ReadableError

_OVERLAP = 64
_POSITION = re.compile(r"@\d{6},\d{6}$")

Window = tuple[int, int, int, int]
"""top, left, height, width in pixels"""


class Span(NamedTuple):
    """One tile along an axis: what the network sees, and which of it is used."""

    start: int
    stop: int
    first: int
    last: int


class Tile(NamedTuple):
    """One tile of a picture."""

    box: Window
    """What the network sees."""
    own: Window
    """The pixels whose nearest tile this is; the windows of all tiles fill the picture, each pixel once."""


class Tiling(NamedTuple):
    """How pictures are cut."""

    tile: tuple[int, int]
    """Height and width."""
    overlap: int
    """Pixels over which neighbours are blended: neighbours share so many or more."""

    def require_sound(self, tile: str = "--tile", overlap: str = "--overlap") -> None:
        """Refuse what cannot be stitched, in a message with the names of both settings.

        Raises:
            ReadableError: a side is not positive, or the overlap is more than a third of a side.
        """
        if min(self.tile) < 1:
            raise ReadableError(f"{tile}: both sides must be at least 1, and it is {self.tile[0]}x{self.tile[1]}")
        most = min(self.tile) // 3
        if not 0 <= self.overlap <= most:
            raise ReadableError(
                f"{overlap}: is {self.overlap}; with tiles of {self.tile[0]}x{self.tile[1]} it may be 0 to {most}"
            )

    def in_words(self) -> str:
        """Return ``512x1024, 64 pixels blended``."""
        return f"{self.tile[0]}x{self.tile[1]}, {self.overlap} pixels blended"


def tiling_of(tile: tuple[int, int], overlap: int | None) -> Tiling:
    """Return the tiling with an overlap of 64 pixels, or an eighth of small tiles, where none is given."""
    return Tiling(tile, min(_OVERLAP, min(tile) // 8) if overlap is None else overlap)


def spans_of(length: int, tile: int, overlap: int) -> list[Span]:
    """Return evenly spread tiles of equal length; the used parts of neighbours overlap by exactly ``overlap``."""
    if length <= tile:
        return [Span(0, length, 0, length)]
    count = -(-(length - overlap) // (tile - overlap))
    starts = [index * (length - tile) // (count - 1) for index in range(count)]
    ramps = [(starts[index + 1] + starts[index] + tile - overlap) // 2 for index in range(count - 1)]
    firsts, lasts = [0, *ramps], [*(ramp + overlap for ramp in ramps), length]
    return [Span(start, start + tile, *used) for start, *used in zip(starts, firsts, lasts, strict=True)]


def tiles_of(window: Window, tiling: Tiling) -> list[Tile]:
    """Return the tiles of a window of a picture, row by row."""
    top, left, *size = window
    lines, columns = (_owned(*sides, tiling.overlap) for sides in zip(size, tiling.tile, strict=True))
    return [
        Tile(
            (top + line.start, left + column.start, line.stop - line.start, column.stop - column.start),
            (top + line.first, left + column.first, line.last - line.first, column.last - column.first),
        )
        for line in lines
        for column in columns
    ]


def _owned(length: int, tile: int, overlap: int) -> list[Span]:
    """Return the tiles along an axis, whose used parts meet in the middle of their ramps instead of overlapping."""
    spans = spans_of(length, tile, overlap)
    meetings = [0, *(span.first + overlap // 2 for span in spans[1:]), length]
    return [
        span._replace(first=first, last=last)
        for span, first, last in zip(spans, meetings[:-1], meetings[1:], strict=True)
    ]


def tile_id(picture: str, box: Window) -> str:
    """Return the id of a tile: the picture's with the tile's top and left in it, ``field@000448,000896``."""
    return f"{picture}@{box[0]:06d},{box[1]:06d}"


def picture_of(identity: str) -> str:
    """Return the id of the picture of which an image is a tile; of other images their own id."""
    return _POSITION.sub("", identity)


def tile_count(size: tuple[int, int], tiling: Tiling) -> int:
    """Return how many tiles a picture of ``size`` = (H, W) has."""
    lines, columns = (len(spans_of(*sides, tiling.overlap)) for sides in zip(size, tiling.tile, strict=True))
    return lines * columns
