"""Large pictures that stay decoded, or open, while their tiles are read: a few of them, however many there are."""

# H/W pixels, h/w pixels of a tile, 3 red, green, blue

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Protocol

from PIL import Image

from pipeline.common.tiling import Window
from pipeline.datasets.bands import ImageReading
from pipeline.datasets.decoding import ImageFacts
from pipeline.datasets.picture_files import LIMIT, TIFF_HEADS
from pipeline.datasets.problems import DataError
from pipeline.datasets.tiff_rows import TiffRows

MOST_BYTES = 1 << 28
"""Of the decoded pictures of one split in one process; the last picture is kept whatever its size."""
_BYTES_OF_OPEN = 1 << 22  # 64 open files at most


class Large(Protocol):
    """A picture of which windows are read."""

    bytes: int
    height: int
    width: int

    def window(self, box: Window) -> Image.Image:
        """Return a window that is inside the picture."""


class WholeInMemory:
    """A decoded picture."""

    def __init__(self, picture: Image.Image) -> None:
        self._picture, self.height, self.width = picture, picture.height, picture.width
        self.bytes = picture.height * picture.width * len(picture.getbands())

    def window(self, box: Window) -> Image.Image:
        """Return a window."""
        top, left, height, width = box
        return self._picture.crop((left, top, left + width, top + height))


class OnDisk:
    """A TIFF of which only the pieces under a window are decoded."""

    bytes = _BYTES_OF_OPEN

    def __init__(self, rows: TiffRows) -> None:
        self._rows, self.height, self.width = rows, rows.height, rows.width

    def look(self) -> ImageFacts:
        """Decode all of it, piece by piece; raise DataError where that fails."""
        return self._rows.look()

    def window(self, box: Window) -> Image.Image:
        """Return a window in mode RGB."""
        return Image.fromarray(self._rows.window(*box))


def on_disk(path: Path, reading: ImageReading) -> OnDisk | None:
    """Open an image of which windows can be read from the file; None where it must be decoded whole."""
    with path.open("rb") as file:
        if file.read(4) not in TIFF_HEADS:
            return None
    try:
        rows = TiffRows(path, reading)
    except DataError:  # of a kind that Pillow may read whole; if it cannot, it has words for it
        return None
    return OnDisk(rows) if rows.windows_are_cheap else None


def too_large_for_memory(path: Path, reading: ImageReading) -> OnDisk | None:
    """Open an image of more pixels than are read whole, if its windows can be read; None of all others."""
    try:
        picture = on_disk(path, reading)
    except OSError:  # whoever reads it has words for it
        return None
    return None if picture is None or picture.height * picture.width <= LIMIT else picture


class KeptPictures:
    """The pictures that were used last, by a key; each is opened once, whichever of several threads asks first."""

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._most_bytes, self._lock = most_bytes, threading.Lock()
        self._kept = OrderedDict[object, Future[Large]]()

    def __reduce__(self) -> tuple[type[KeptPictures], tuple[int]]:
        return KeptPictures, (self._most_bytes,)  # another process keeps its own

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, key: object, open_: Callable[[], Large]) -> Large:
        """Return the picture of a key, opened now if it is not kept; errors are the caller's and are not kept."""
        with self._lock:
            future = self._kept.get(key)
            is_new = future is None
            future = future or self._kept.setdefault(key, Future())
            self._kept.move_to_end(key)
        if is_new:
            self._open(key, future, open_)
        return future.result()

    def _open(self, key: object, future: Future[Large], open_: Callable[[], Large]) -> None:
        try:
            future.set_result(open_())
        except BaseException as error:
            with self._lock:
                self._kept.pop(key, None)
            future.set_exception(error)
        with self._lock:
            self._forget()

    def _forget(self) -> None:
        """Drop what was not used for the longest time; pictures that are being decoded stay."""
        done = [(key, future.result().bytes) for key, future in self._kept.items() if future.done()]
        total = sum(bytes_ for _, bytes_ in done)
        for key, bytes_ in done[:-1]:
            if total <= self._most_bytes:
                return
            total -= bytes_
            del self._kept[key]


def window_of(picture: Large, box: Window, path: str) -> Image.Image:
    """Return a window of a picture.

    Raises:
        DataError: the window is not inside the picture (the file's pixels are others than those `prepare` saw), or a
            piece of the file is damaged.
    """
    if box[0] + box[2] > picture.height or box[1] + box[3] > picture.width:
        raise DataError(f"{path}: is {picture.height} high and {picture.width} wide, and a tile reaches beyond that")
    try:
        return picture.window(box)
    except DataError as error:
        raise DataError(f"{path}: {error}") from None
