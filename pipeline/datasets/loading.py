"""The images and labels of a manifest as arrays: cut, resized, and checked against what ``prepare`` saw."""

# H/W pixels, 3 red, green, blue

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from pipeline.common.labels import IGNORE, UNKNOWN
from pipeline.common.tiling import Window
from pipeline.datasets.bands import AS_THEY_ARE, ImageReading
from pipeline.datasets.decoded import KeptPictures, Large, WholeInMemory, on_disk, window_of
from pipeline.datasets.decoding import LabelReader, read_image, read_label
from pipeline.datasets.manifest import AGAIN, Manifest, Row
from pipeline.datasets.problems import DataError
from pipeline.datasets.seen import Seen

Size = tuple[int, int]
"""height, width"""
Crop = tuple[int, int, int, int]
"""top, left, height, width in the file's pixels"""


class SplitImages:
    """Images of one manifest, ready for the network; labels are out of its reach.

    ``reading`` says which bands and which range of 16 bits become red, green and blue.
    """

    def __init__(
        self, manifest: Manifest, *, crop: Crop | None, size: Size, reading: ImageReading = AS_THEY_ARE
    ) -> None:
        self.manifest, self.crop, self.size, self.reading = manifest, crop, size, reading
        self._seen, self._kept = Seen(manifest), KeptPictures()

    def __len__(self) -> int:
        return len(self.manifest)

    def id(self, position: int) -> str:
        """Return the id of an image."""
        return self.manifest[position].id

    def image(self, position: int) -> np.ndarray:
        """Return (H,W,3) uint8, cropped and resized to ``size``; bicubic with antialiasing (Pillow), as the papers do.

        Raises:
            DataError: the file has changed since prepare, or cannot be read.
        """
        row = self.manifest[position]
        if row.image_box is None:
            picture = _picture(self._read, self._seen.image(position, row), row.image, self.crop)
        else:
            picture = self._tile(position, row, window(row.image_box))
        return np.array(_resized(picture, self.size, Image.Resampling.BICUBIC))

    def _read(self, data: bytes) -> Image.Image:
        return read_image(data, self.reading)

    def _tile(self, position: int, row: Row, box: Window) -> Image.Image:
        def opened() -> Large:
            large = on_disk(Path(row.image), self.reading)
            return large or WholeInMemory(_picture(self._read, self._seen.picture(file), row.image, None))

        file = self._seen.image_file(position, row)
        time = self._seen.time_of_picture(file)
        return window_of(self._kept.get((row.image, time), opened), box, row.image)


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
        read: LabelReader = read_label,
    ) -> None:
        if manifest[0].label is None:
            raise DataError(f"{manifest.path}: is a manifest without labels; labels of a target are kept from training")
        self.manifest, self.crop, self.size, self.table, self.read = manifest, crop, size, table, read
        self._seen, self._kept = Seen(manifest), KeptPictures()

    def __len__(self) -> int:
        return len(self.manifest)

    def id(self, position: int) -> str:
        """Return the id of a label's image."""
        return self.manifest[position].id

    def label(self, position: int) -> np.ndarray:
        """Return (H,W) uint8 class indices, 255 ignored; resized by nearest neighbour, so that no id is invented.

        Raises:
            DataError: the file has changed since prepare, cannot be read, or holds an id that the table does not know.
        """
        row = self.manifest[position]
        if row.label is None:
            raise DataError(f"{self.manifest.path}: has no label for {row.id!r}; {AGAIN}")
        if row.label_box is None:
            picture = _picture(self.read, self._seen.label(position, row), row.label, self.crop)
        else:
            picture = self._tile(position, row, row.label, window(row.label_box))
        if self.size is not None:
            picture = _resized(picture, self.size, Image.Resampling.NEAREST)
        unknown = unknown_ids(np.asarray(picture.histogram()[:256]), self.table)  # ten times as fast as numpy's
        if unknown is not None:
            raise DataError(f"{row.label}: {unknown}")
        label_HW: np.ndarray = self.table[np.asarray(picture)]
        return label_HW

    def scored_label(self, position: int) -> np.ndarray:
        """Return what a score counts of ``label``: of a tile, pixels that are nearer to another tile are ignored.

        So each pixel of a large picture is scored once, though tiles overlap.

        Raises:
            DataError: as label does.
        """
        label_HW, row = self.label(position), self.manifest[position]
        if row.label_box is not None and row.own is not None:
            size = (label_HW.shape[0], label_HW.shape[1])
            label_HW[_others_part(window(row.label_box), window(row.own), size)] = IGNORE
        return label_HW

    def _tile(self, position: int, row: Row, path: str, box: Window) -> Image.Image:
        def opened() -> Large:
            return WholeInMemory(_picture(self.read, self._seen.picture(file), path, None))

        file = self._seen.label_file(position, row)
        time = self._seen.time_of_picture(file)
        return window_of(self._kept.get((path, time), opened), box, path)


def _others_part(box: Window, own: Window, size: Size) -> np.ndarray:
    """Return where other tiles are scored, (H,W) bool at ``size``, of a tile whose window and own part are given."""
    top, left = own[0] - box[0], own[1] - box[1]
    others_hw = np.full(box[2:], 1, np.uint8)
    others_hw[top : top + own[2], left : left + own[3]] = 0
    others_HW: np.ndarray = np.asarray(_resized(Image.fromarray(others_hw), size, Image.Resampling.NEAREST)) == 1
    return others_HW


def window(box: list[int]) -> Window:
    """Return a window as a manifest has it."""
    top, left, height, width = box
    return top, left, height, width


def _picture(read: LabelReader, data: bytes, path: str, crop: Crop | None) -> Image.Image:
    """Return the decoded file, cut; raise DataError that names it where it cannot be decoded."""
    try:
        picture = read(data)
    except DataError as error:
        raise DataError(f"{path}: {error}") from None
    return _cropped(picture, crop, path)


def _cropped(picture: Image.Image, crop: Crop | None, path: str) -> Image.Image:
    outside = crop_problem(crop, picture.height, picture.width)
    if outside is not None:  # Pillow would fill up with black
        raise DataError(f"{path}: {outside}")
    return picture if crop is None else picture.crop(box_of(crop))


def _resized(picture: Image.Image, size: Size, filter_: Image.Resampling) -> Image.Image:
    height, width = size
    return picture.resize((width, height), filter_)


def crop_problem(crop: Crop | None, height: int, width: int) -> str | None:
    """Return why a crop cannot be cut from an image of that size, or None."""
    if crop is None or (crop[0] + crop[2] <= height and crop[1] + crop[3] <= width):
        return None
    return (
        f"is {height} high and {width} wide, and crop {list(crop)} (top, left, height, width) reaches to row"
        f" {crop[0] + crop[2]} and column {crop[1] + crop[3]}; choose a crop inside every image of the split"
    )


def box_of(crop: Crop) -> tuple[int, int, int, int]:
    """Return the crop as Pillow counts: left, upper, right, lower."""
    top, left, height, width = crop
    return left, top, left + width, top + height


def unknown_ids(pixels_of_id: np.ndarray, table: np.ndarray) -> str | None:
    """Return a message about ids that the data set does not define, of (256,) counts of a label's ids; or None."""
    unknown = np.flatnonzero((pixels_of_id > 0) & (table == UNKNOWN))
    if not len(unknown):
        return None
    counted = ", ".join(f"{identity} ({pixels_of_id[identity]} pixels)" for identity in unknown)
    names = "id" if len(unknown) == 1 else "ids"
    advice = "mend the label or, in the layout `folder`, add to class_map a class or `ignore` for each"
    if unknown[-1] == IGNORE and not pixels_of_id[_TRAIN_IDS:IGNORE].any():
        mask = "" if pixels_of_id[1:IGNORE].any() else "is it a mask (class_map: {0: background, 255: CLASS}), or "
        advice = f"{mask}are these train ids? {TRAIN_IDS_ADVICE}"
    return f"holds {names} {counted} that the data set does not define; {advice}"


_TRAIN_IDS = 19  # of Cityscapes: the ids 0 to 18, and 255 for what is ignored
_LAST_LABEL_ID = 34


def train_ids_problem(pixels_of_id: np.ndarray, table: np.ndarray, labels: int = 1) -> str | None:
    """Return a message where labels that should hold Cityscapes' label ids seem to hold its train ids; or None.

    Args:
        pixels_of_id: (256,) counts of one label's ids, or of the ids of all of a split.
        table: (256,) id table. Tables without Cityscapes' label ids (0 to 6 ignored, 7 to 33 defined) are no matter.
        labels: how many labels were counted.

    Published label ids cannot be taken for train ids: from 19 on are traffic lights, vegetation, sky, people and
    vehicles; 255 is not published but for number plates, which are on vehicles; and there is more road (7) than
    unlabelled (0, in train ids road). One label is refused that has 255 and nothing from 19 on, a split of ten and more
    without 255 where nothing from 19 on is in any label.
    """
    if (table[:_ROAD] != IGNORE).any() or (table[_ROAD:_LAST_LABEL_ID] == UNKNOWN).any():
        return None
    if pixels_of_id[_TRAIN_IDS : _LAST_LABEL_ID + 1].any() or pixels_of_id[0] <= pixels_of_id[_ROAD]:
        return None
    if not pixels_of_id[IGNORE] and labels < _ENOUGH_LABELS:
        return None
    ids = ", ".join(map(str, np.flatnonzero(pixels_of_id)))
    return (
        f"holds the ids {ids}, which are read as Cityscapes' label ids (7 road, 26 car); are these train ids (0 road,"
        f" 13 car)? {TRAIN_IDS_ADVICE}"
    )


_ROAD = 7
_ENOUGH_LABELS = 10  # in none of which there is vegetation, sky, a person or a car
TRAIN_IDS_ADVICE = (
    "cityscapes, gta5, nthu, synscapes and synthia take them with label_ids: cityscapes-19; `folder` with"
    " class_map: cityscapes-19"
)
