"""The images and labels of a manifest as arrays: cut, resized, and checked against what ``prepare`` saw."""

# H/W pixels, 3 red, green, blue

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from pipeline.datasets.decoding import read_image, read_label
from pipeline.datasets.examine import Crop, box_of, crop_problem, unknown_ids
from pipeline.datasets.manifest import AGAIN, Manifest
from pipeline.datasets.problems import DataError

Size = tuple[int, int]


class SplitImages:
    """Images of one manifest, ready for the network; labels are out of its reach."""

    def __init__(self, manifest: Manifest, *, crop: Crop | None, size: Size) -> None:
        self.manifest, self.crop, self.size = manifest, crop, size

    def __len__(self) -> int:
        return len(self.manifest)

    def id(self, position: int) -> str:
        """The id of an image."""
        return self.manifest[position].id

    def image(self, position: int) -> np.ndarray:
        """(H,W,3) uint8, cropped and resized to ``size``; bicubic with antialiasing (Pillow), as the papers do.

        Raises DataError that names the file where it has changed since prepare or cannot be read.
        """
        row = self.manifest[position]
        picture = _picture(read_image, row.image, row.image_bytes, self.crop)
        return np.array(_resized(picture, self.size, Image.Resampling.BICUBIC))


class SplitLabels:
    """Labels of one manifest, apart from the images: only who may look at labels constructs it.

    ``table`` is the (256,) id table, ``read`` decodes a file. ``size`` None keeps the label's own resolution (after the
    crop), in which an evaluation scores.
    """

    def __init__(
        self,
        manifest: Manifest,
        *,
        crop: Crop | None,
        size: Size | None,
        table: np.ndarray,
        read: Callable[[bytes], Image.Image] = read_label,
    ) -> None:
        if manifest[0].label is None:
            raise DataError(f"{manifest.path}: is a manifest without labels; labels of a target are kept from training")
        self.manifest, self.crop, self.size, self.table, self.read = manifest, crop, size, table, read

    def __len__(self) -> int:
        return len(self.manifest)

    def id(self, position: int) -> str:
        """The id of a label's image."""
        return self.manifest[position].id

    def label(self, position: int) -> np.ndarray:
        """(H,W) uint8 class indices, 255 ignored; resized by nearest neighbour, so that no id is invented.

        Raises DataError that names the file where it has changed since prepare, cannot be read, or holds an id that
        the table does not know.
        """
        row = self.manifest[position]
        if row.label is None or row.label_bytes is None:
            raise DataError(f"{self.manifest.path}: has no label for {row.id!r}; {AGAIN}")
        picture = _picture(self.read, row.label, row.label_bytes, self.crop)
        if self.size is not None:
            picture = _resized(picture, self.size, Image.Resampling.NEAREST)
        unknown = unknown_ids(np.asarray(picture.histogram()[:256]), self.table)  # ten times as fast as numpy's
        if unknown is not None:
            raise DataError(f"{row.label}: {unknown}")
        label_HW: np.ndarray = self.table[np.asarray(picture)]
        return label_HW


def _picture(read: Callable[[bytes], Image.Image], path: str, size: int, crop: Crop | None) -> Image.Image:
    """The decoded file, cut. Raises DataError that names it where it has changed since prepare or cannot be read."""
    data = _unchanged(path, size)
    try:
        picture = read(data)
    except DataError as error:
        raise DataError(f"{path}: {error}") from None
    return _cropped(picture, crop, path)


def _unchanged(path: str, size: int) -> bytes:
    """The file's bytes. Raises DataError where there are more or fewer than when prepare read them."""
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot be read any more ({error.strerror}); restore it or {AGAIN}") from None
    if len(data) != size:
        raise DataError(f"{path}: changed since prepare ({size} bytes then, {len(data)} now); {AGAIN}")
    return data


def _cropped(picture: Image.Image, crop: Crop | None, path: str) -> Image.Image:
    outside = crop_problem(crop, picture.height, picture.width)
    if outside is not None:  # Pillow would fill up with black
        raise DataError(f"{path}: {outside}")
    return picture if crop is None else picture.crop(box_of(crop))


def _resized(picture: Image.Image, size: Size, filter_: Image.Resampling) -> Image.Image:
    height, width = size
    return picture.resize((width, height), filter_)
