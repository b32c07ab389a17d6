"""Windows of a TIFF without the rest of it: strips and tiles are decoded one by one, so that memory does not grow.

Pillow decodes a TIFF whole. Each piece (a strip, a tile) is therefore put into a small TIFF of its own, with the tags
of the large one, and read as other images are: the same rules for bits and bands, every compression that Pillow knows.
"""

# H/W pixels, h rows, 3 red, green, blue

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

import numpy as np
from PIL import TiffImagePlugin

from pipeline.datasets.bands import AS_THEY_ARE, ImageReading
from pipeline.datasets.decoding import SEVERAL, ImageFacts, look_at_image, read_image
from pipeline.datasets.picture_files import TIFF_HEADS, facts_of_tiff
from pipeline.datasets.problems import DataError

_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _SAMPLES = 256, 257, 258, 259, 277
_STRIP_OFFSETS, _STRIP_ROWS, _STRIP_BYTES, _PLANAR, _ORIENTATION = 273, 278, 279, 284, 274
_TILE_WIDTH, _TILE_HEIGHT, _TILE_OFFSETS, _TILE_BYTES = 322, 323, 324, 325
# photometry, fill order, predictor, palette, extra samples, sample format, JPEG's tables, YCbCr's constants
_KEPT = (_BITS, _COMPRESSION, 262, 266, _SAMPLES, _PLANAR, 317, 320, 338, 339, 347, 529, 530, 531, 532)
_UNCOMPRESSED = 1
_PIXELS_AT_ONCE = 1 << 20
_MOST_PIXELS = 1 << 26
"""of one piece; larger compressed ones cannot be decoded in part"""


class Piece(NamedTuple):
    """One strip or tile: where it is in the file and in the picture."""

    offset: int
    byte_count: int
    top: int
    left: int
    height: int
    width: int


class TiffRows:
    """The first picture of a TIFF, read by rows."""

    def __init__(self, path: Path, reading: ImageReading = AS_THEY_ARE) -> None:
        """Read the head of the file; ``reading`` says which bands and which range become red, green and blue.

        Raises:
            DataError: it is damaged, or its pieces are not such that rows can be read.
        """
        self._file, self._reading = path.open("rb"), reading
        try:
            self._tags = _first_page(self._file.read(16), self._file)
            self.width, self.height = int(self._tags[_WIDTH]), int(self._tags[_HEIGHT])
            self._pieces = list(self._all_pieces())
        except (KeyError, IndexError, SyntaxError, TypeError, ValueError, OSError) as error:
            self._file.close()
            raise DataError(f"is truncated or damaged ({error}); fetch the file again") from None

    @property
    def can_be_read_by_rows(self) -> bool:
        """Return whether every piece is small enough, colours are interleaved, and nothing is turned."""
        lies = self._tags.get(_PLANAR, 1) != 1 or self._tags.get(_ORIENTATION, 1) != 1
        largest = max(piece.height * piece.width for piece in self._pieces)
        return not lies and (largest <= _MOST_PIXELS or self._is_plain)

    @property
    def _is_plain(self) -> bool:
        """Whether rows are where their numbers say: not compressed, whole bytes, strips."""
        bits = set(np.atleast_1d(self._tags.get(_BITS, 1)).tolist())
        return self._tags.get(_COMPRESSION, 1) == _UNCOMPRESSED and bits == {8} and _TILE_WIDTH not in self._tags

    def _all_pieces(self) -> Iterator[Piece]:
        tags = self._tags
        tiled = _TILE_WIDTH in tags
        height = int(tags[_TILE_HEIGHT]) if tiled else min(int(tags.get(_STRIP_ROWS, self.height)), self.height)
        width = int(tags[_TILE_WIDTH]) if tiled else self.width
        offsets, counts = (
            tags[key] for key in ((_TILE_OFFSETS, _TILE_BYTES) if tiled else (_STRIP_OFFSETS, _STRIP_BYTES))
        )
        columns = -(-self.width // width)
        if len(offsets) < columns * -(-self.height // height):
            raise ValueError("pieces are missing")
        for number, (offset, count) in enumerate(zip(offsets, counts, strict=True)):
            top, left = number // columns * height, number % columns * width
            rows = height if tiled else min(height, self.height - top)
            yield Piece(int(offset), int(count), top, left, rows, width)

    @property
    def windows_are_cheap(self) -> bool:
        """Return whether a window costs about as much as its pixels: the file is in tiles, or rows can be sought."""
        return self.can_be_read_by_rows and (_TILE_WIDTH in self._tags or self._is_plain)

    def rows(self, top: int, bottom: int) -> np.ndarray:
        """Return the rows (h,W,3) uint8 from ``top`` to before ``bottom``.

        Raises:
            DataError: a piece is damaged, or not of 8 bits a channel.
        """
        return self.window(top, 0, bottom - top, self.width)

    def window(self, top: int, left: int, height: int, width: int) -> np.ndarray:
        """Return the window (h,w,3) uint8; several threads may read windows at the same time.

        Raises:
            DataError: as rows does.
        """
        bottom, right = top + height, left + width
        window_hw3 = np.empty((height, width, 3), np.uint8)
        for piece in self._pieces:
            first, last = max(top, piece.top), min(bottom, piece.top + piece.height)
            begin, end = max(left, piece.left), min(right, piece.left + piece.width)
            if first >= last or begin >= end:
                continue
            if self._is_plain:
                piece = self._part(piece, first, last)
            pixel_hw3 = self._decoded(piece)
            part = pixel_hw3[first - piece.top : last - piece.top, begin - piece.left : end - piece.left]
            window_hw3[first - top : last - top, begin - left : end - left] = part
        return window_hw3

    def look(self) -> ImageFacts:
        """Decode every piece, one at a time, and return what ``look_at_image`` says of the whole picture.

        Raises:
            DataError: as rows does.
        """
        notes = {note: None for piece in self._small_pieces() for note in self._look_at(piece)}
        self._file.seek(0)
        facts = facts_of_tiff(self._file)
        several = (SEVERAL,) if facts is not None and facts.pages > 1 else ()
        return ImageFacts(self.height, self.width, (*several, *notes))

    def _look_at(self, piece: Piece) -> tuple[str, ...]:
        return look_at_image(self._small_tiff(piece, self._bytes_of(piece)), self._reading).notes

    def _small_pieces(self) -> Iterator[Piece]:
        """Return the pieces; of those that need no decoding, which may be as large as the picture, a few rows each."""
        for piece in self._pieces:
            if not self._is_plain:
                yield piece
                continue
            rows = max(1, _PIXELS_AT_ONCE // self.width)
            bottom = piece.top + piece.height
            for first in range(piece.top, bottom, rows):
                yield self._part(piece, first, min(bottom, first + rows))

    def _part(self, piece: Piece, first: int, last: int) -> Piece:
        """Rows of an uncompressed strip: they begin where their number says."""
        stride = piece.width * int(self._tags.get(_SAMPLES, 1))
        offset = piece.offset + (first - piece.top) * stride
        return piece._replace(offset=offset, byte_count=(last - first) * stride, top=first, height=last - first)

    def _decoded(self, piece: Piece) -> np.ndarray:
        return np.asarray(read_image(self._small_tiff(piece, self._bytes_of(piece)), self._reading))

    def _bytes_of(self, piece: Piece) -> bytes:
        data = os.pread(self._file.fileno(), piece.byte_count, piece.offset)
        if len(data) < piece.byte_count:
            raise DataError("is truncated; fetch the file again")
        return data

    def _small_tiff(self, piece: Piece, data: bytes) -> bytes:
        """Return a TIFF that holds one piece and nothing else."""
        small = TiffImagePlugin.ImageFileDirectory_v2(prefix=self._tags.prefix)
        for tag in _KEPT:
            if tag in self._tags:
                small.tagtype[tag] = self._tags.tagtype[tag]
                small[tag] = self._tags[tag]
        sizes = {_WIDTH: piece.width, _HEIGHT: piece.height, _STRIP_ROWS: piece.height, _STRIP_BYTES: len(data)}
        for tag, value in {**sizes, _STRIP_OFFSETS: 0}.items():  # Pillow counts offsets from the end of the tags
            small.tagtype[tag] = 4
            small[tag] = value
        little = self._tags.prefix == b"II"
        head = b"II*\0\x08\0\0\0" if little else b"MM\0*\0\0\0\x08"
        return head + small.tobytes(8) + data

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._file.close()


class CroppedRows:
    """A window of a TIFF, read by rows."""

    def __init__(self, picture: TiffRows, crop: tuple[int, int, int, int]) -> None:
        """Cut top, left, height, width; they are inside the picture."""
        self._picture, (self._top, self._left, self.height, self.width) = picture, crop

    def rows(self, top: int, bottom: int) -> np.ndarray:
        """Return the rows (h,W,3) uint8 of the window; raise DataError as TiffRows does."""
        return self._picture.window(self._top + top, self._left, bottom - top, self.width)


def _first_page(head: bytes, file: object) -> TiffImagePlugin.ImageFileDirectory_v2:
    if head[:4] not in TIFF_HEADS:
        raise ValueError("not a TIFF")
    is_big = 43 in head[2:4]
    tags = TiffImagePlugin.ImageFileDirectory_v2(head if is_big else head[:8])
    file.seek(tags.next)  # type: ignore[attr-defined]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # on damage: what is missing raises when it is asked for
        tags.load(file)  # type: ignore[arg-type]
    return tags
