"""One image and its label, read once and looked at: a manifest's row, or everything that is wrong with them."""

# H/W pixels

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from pipeline.common.files import file_hash
from pipeline.common.tiling import Tiling
from pipeline.datasets.bands import AS_THEY_ARE, ImageReading
from pipeline.datasets.decoded import OnDisk, too_large_for_memory
from pipeline.datasets.decoding import look_at_image, read_label
from pipeline.datasets.listing import Entry
from pipeline.datasets.loading import Crop, box_of, crop_problem, train_ids_problem, unknown_ids
from pipeline.datasets.manifest import Row, content_hash
from pipeline.datasets.picture_files import require_undamaged_png
from pipeline.datasets.problems import DataError, Problem
from pipeline.datasets.tile_rows import tile_problem


class Examined(NamedTuple):
    """The row of a sound entry, or its problems; neither for an entry that the split does not need."""

    row: Row | None
    problems: list[Problem]
    pixels_of_id: np.ndarray | None = None
    """(256,) of the label inside the crop, where there is one."""
    notes: tuple[str, ...] = ()
    """What reading the image leaves out or converts."""


class _File(NamedTuple):
    hash: str
    bytes: int
    height: int
    width: int
    pixels_of_id: np.ndarray | None = None
    notes: tuple[str, ...] = ()


def examine(
    entry: Entry,
    table: np.ndarray,
    crop: Crop | None,
    *,
    needs_labels: bool,
    read: Callable[[bytes], Image.Image] = read_label,
    reading: ImageReading = AS_THEY_ARE,
    tiling: Tiling | None = None,
) -> Examined:
    """Read an entry's files, each once, decodes them to the end and checks that they fit each other.

    ``table`` is the (256,) id table, ``read`` decodes a label, ``reading`` is how images are read. Labels are checked
    inside the crop, the only pixels that are ever used. Without ``needs_labels`` no label file is opened and the row
    has none. With ``tiling`` the row is that of the whole picture, which must be as large as a tile; an image that
    is too large to be decoded whole is decoded piece by piece, where its file allows that.
    """
    problems: list[Problem] = _name_problems(entry)
    large = None if tiling is None else too_large_for_memory(entry.image, reading)
    image_data = _read(entry.image) if large is None else large
    if isinstance(image_data, FileNotFoundError) and entry.label is not None and not os.path.lexists(entry.image):
        orphan = Problem(
            str(entry.label), f"has no image of the same id (such as {entry.image}); add it or remove this"
        )
        return Examined(None, [orphan] if needs_labels else [])
    image = _image(entry.image, image_data, crop, problems, reading)
    too_small = None if image is None or problems else tile_problem(tiling, crop, image.height, image.width)
    if too_small is not None:
        problems.append(Problem(str(entry.image), too_small))
    label = None
    if needs_labels and entry.label is None:
        problems.append(
            Problem(
                str(entry.image),
                "has no label; add it, or leave the image out of the split (layout folder: do names differ in an"
                " ending? say image_ending and label_ending)",
            )
        )
    elif needs_labels and entry.label is not None:
        label = _label(entry.label, image, table, crop, problems, read)
    if problems or image is None:
        return Examined(None, problems)
    return Examined(_row(entry, image, label), [], None if label is None else label.pixels_of_id, image.notes)


def _name_problems(entry: Entry) -> list[Problem]:
    """A name that is not UTF-8 can be opened, and not be written into a cache: checked before anything is trained."""
    try:
        entry.id.encode()
    except UnicodeEncodeError:
        shown = str(entry.image).encode("utf-8", "backslashreplace").decode()
        return [Problem(shown, "has a name that is not UTF-8 (from a Windows archive?); rename it, e.g. by convmv")]
    return []


def _read(path: Path) -> bytes | OSError:
    try:
        return path.read_bytes()
    except OSError as error:
        return error


def _why_unread(path: Path, error: OSError) -> Problem:
    """What is wrong with a listed file that cannot be read: links into a data set that has moved are usual."""
    if isinstance(error, FileNotFoundError) and path.is_symlink():
        target = path.readlink()
        return Problem(
            str(path), f"is a link to {target}, where there is nothing; is that disk mounted, the data there?"
        )
    return Problem(str(path), f"cannot be read ({error.strerror})")


def _image(
    path: Path, data: bytes | OnDisk | OSError, crop: Crop | None, problems: list[Problem], reading: ImageReading
) -> _File | None:
    if isinstance(data, OSError):
        problems.append(_why_unread(path, data))
        return None
    try:
        image = _large_image(path, data) if isinstance(data, OnDisk) else _decoded_image(data, reading)
    except DataError as error:
        problems.append(Problem(str(path), str(error)))
        return None
    outside = crop_problem(crop, image.height, image.width)
    if outside is not None:
        problems.append(Problem(str(path), outside))
    return image


def _decoded_image(data: bytes, reading: ImageReading) -> _File:
    height, width, notes = look_at_image(data, reading)
    require_undamaged_png(data)
    return _File(content_hash(data), len(data), height, width, notes=notes)


def _large_image(path: Path, picture: OnDisk) -> _File:
    height, width, notes = picture.look()
    return _File(file_hash(path), path.stat().st_size, height, width, notes=notes)


def _label(
    path: Path,
    image: _File | None,
    table: np.ndarray,
    crop: Crop | None,
    problems: list[Problem],
    read: Callable[[bytes], Image.Image],
) -> _File | None:
    data = _read(path)
    if isinstance(data, OSError):
        problems.append(_why_unread(path, data))
        return None
    try:
        label = read(data)
        require_undamaged_png(data)
    except DataError as error:
        problems.append(Problem(str(path), str(error)))
        return None
    width, height = label.size
    if image is not None and (height, width) != (image.height, image.width):
        sizes = f"is {height} high and {width} wide, its image is {image.height} high and {image.width} wide"
        problems.append(Problem(str(path), f"{sizes}; they should be equal (both are upright, as their EXIF data say)"))
    if crop is not None and crop_problem(crop, height, width) is None:
        label = label.crop(box_of(crop))
    pixels_of_id = np.asarray(label.histogram()[:256])
    unknown = unknown_ids(pixels_of_id, table) or train_ids_problem(pixels_of_id, table)
    if unknown is not None:
        problems.append(Problem(str(path), unknown))
    return _File(content_hash(data), len(data), height, width, pixels_of_id)


def _row(entry: Entry, image: _File, label: _File | None) -> Row:
    return Row(
        id=entry.id,
        image=str(entry.image),
        label=None if label is None else str(entry.label),
        image_hash=image.hash,
        label_hash=None if label is None else label.hash,
        image_bytes=image.bytes,
        label_bytes=None if label is None else label.bytes,
        height=image.height,
        width=image.width,
    )
