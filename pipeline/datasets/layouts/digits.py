"""The layout ``digits``: handwritten digits in a NumPy archive, ``x`` (N,H,W) uint8 and ``y`` (N,), a digit each.

``prepare`` unpacks an archive into PNGs, so that every later stage reads digits like any images: the label of an image
says its digit at every pixel. Archives are read image by image and never held in memory.
"""

# N images, H/W pixels

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import repeat
from pathlib import Path
from typing import IO, TYPE_CHECKING, NamedTuple

import numpy as np
from PIL import Image
from tqdm import tqdm

from pipeline.common.labels import DIGITS_10
from pipeline.datasets.layout import Layout
from pipeline.datasets.listing import Entry, Listing, expanded
from pipeline.datasets.meaning import Meanings, numbered
from pipeline.datasets.problems import DataError

if TYPE_CHECKING:
    from pipeline.params import DigitsSplit

DIGIT_IDS: Meanings = numbered((name, name) for name in DIGITS_10.names)

_FORMAT = "an archive of digits has x (N,H,W) uint8 and, where there are labels, y (N,) whole numbers from 0 to 9"


class _Array(NamedTuple):
    """An array of an archive, not read yet."""

    shape: tuple[int, ...]
    dtype: np.dtype


def archive_of(split: DigitsSplit) -> Path:
    """Return the path of the archive."""
    return expanded(split.root) / split.archive


def has_labels(split: DigitsSplit) -> bool:
    """Return whether the archive has labels; raise DataError where it is missing, damaged, or not of digits."""
    return _arrays(archive_of(split)).get("y") is not None


def archive_entries(split: DigitsSplit) -> Listing:
    """List one entry for each image, whose files are the archive itself: all that is known before it is unpacked.

    Raises DataError as has_labels does.
    """
    path, positions = archive_of(split), _positions(split)
    label = path if has_labels(split) else None
    return Listing((Entry(_id(position), path, label) for position in positions), len(positions))


def write_digits(split: DigitsSplit, folder: Path, progress: bool) -> None:
    """Unpack the images into ``folder``/POSITION.png, grey, in the archive's order. Labels are not read."""
    folder.mkdir(parents=True, exist_ok=True)
    positions = _positions(split)
    rows = _rows(archive_of(split), "x", positions)
    for position, image_HW in tqdm(
        zip(positions, rows, strict=True),
        total=len(positions),
        desc=folder.parent.name,
        unit=" images",
        disable=not progress,
    ):
        Image.fromarray(image_HW).save(folder / f"{_id(position)}.png", format="PNG")


def write_labels(split: DigitsSplit, folder: Path) -> None:
    """Write ``folder``/DIGIT.png, of the images' size, for each digit: all images of a digit share their label."""
    folder.mkdir(parents=True, exist_ok=True)
    _, height, width = _arrays(archive_of(split))["x"].shape
    for digit in range(10):
        Image.fromarray(np.full((height, width), digit, np.uint8)).save(folder / f"{digit}.png", format="PNG")


def digit_entries(split: DigitsSplit, images: Path, labels: Path | None) -> Listing:
    """List entries of what write_digits and write_labels left; without ``labels`` the archive's are not read.

    Raises:
        DataError: a label is not a digit.
    """
    positions = _positions(split)
    digits = repeat(None, len(positions)) if labels is None else _digits(archive_of(split), positions)
    entries = (
        Entry(_id(position), images / f"{_id(position)}.png", None if labels is None else labels / f"{digit}.png")
        for position, digit in zip(positions, digits, strict=True)
    )
    return Listing(entries, len(positions))


def _id(position: int) -> str:
    return f"{position:06}"


def _positions(split: DigitsSplit) -> list[int]:
    """The positions of the split's images in the archive. Raises DataError where it asks for more than there are."""
    path = archive_of(split)
    count = _arrays(path)["x"].shape[0]
    images = split.images or count
    if images > count:
        raise DataError(f"{path}: holds {count} images, and `images` asks for {images}")
    return [number * count // images for number in range(images)]


def _digits(path: Path, positions: list[int]) -> Iterator[int]:
    for position, row in zip(positions, _rows(path, "y", positions), strict=True):
        if not 0 <= int(row) <= 9:
            raise DataError(f"{path}: y says {int(row)} of image {position}; {_FORMAT}")
        yield int(row)


def _arrays(path: Path) -> dict[str, _Array]:
    """Shapes and types of x and, where there is one, y. Raises DataError where they are not those of digits."""
    arrays = {}
    with _opened(path) as archive:
        for name in ("x", "y"):
            if f"{name}.npy" in archive.namelist():
                with archive.open(f"{name}.npy") as file:
                    arrays[name] = _header(file)
    images = arrays.get("x")
    if images is None or len(images.shape) != 3 or images.dtype != np.uint8 or 0 in images.shape:
        raise DataError(f"{path}: x is {_described(images)}; {_FORMAT}")
    labels = arrays.get("y")
    if labels is not None and (labels.shape != images.shape[:1] or labels.dtype.kind not in "iu"):
        raise DataError(f"{path}: y is {_described(labels)} for {images.shape[0]} images; {_FORMAT}")
    return arrays


def _rows(path: Path, name: str, positions: list[int]) -> Iterator[np.ndarray]:
    """The rows of an array at rising positions, each a copy of its own."""
    with _opened(path) as archive, archive.open(f"{name}.npy") as file:
        shape, dtype = _header(file)
        length = int(np.prod(shape[1:])) * dtype.itemsize
        remaining = iter([*positions, shape[0]])
        following = next(remaining)
        for position in range(shape[0]):
            data = file.read(length)
            if len(data) < length:
                raise DataError(f"{path}: {name} breaks off; fetch the file again")
            if position == following:
                following = next(remaining)
                yield np.frombuffer(data, dtype).reshape(shape[1:]).copy()


def _header(file: IO[bytes]) -> _Array:
    """Reads the head of an array. Raises ValueError for one that cannot be read row by row, or holds objects."""
    version = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, fortran, dtype = read(file)
    if dtype.hasobject or (fortran and len(shape) > 1):
        raise ValueError("an array is stored by columns, or holds objects")
    return _Array(shape, dtype)


@contextmanager
def _opened(path: Path) -> Iterator[zipfile.ZipFile]:
    """The archive; what goes wrong with it within the block becomes a DataError that names it."""
    if not path.is_file():
        raise DataError(f"{path}: there is no such archive; set `root` and `archive` to the path of the digits")
    try:
        with zipfile.ZipFile(path) as archive:
            yield archive
    except (zipfile.BadZipFile, zlib.error, EOFError, ValueError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"{path}: is not a NumPy archive, or is damaged ({error}); {_FORMAT}") from None


def _described(array: _Array | None) -> str:
    return "missing" if array is None else f"{array.dtype} of shape {array.shape}"


DIGITS = Layout("digits", archive_entries, lambda _split: DIGIT_IDS)
