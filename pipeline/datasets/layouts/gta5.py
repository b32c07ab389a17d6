"""The layout ``gta5``: Playing for Data (Richter et al., ECCV 2016), its ten pairs of archives unpacked."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.datasets.layout import Layout
from pipeline.datasets.layouts.train_id_names import NAMING, TRAIN_ID_ENDING
from pipeline.datasets.listing import (
    IMAGE_SUFFIXES,
    Choice,
    Listing,
    expanded,
    files_below,
    paired,
    required_folder,
)
from pipeline.datasets.meaning import GTA5_IDS, TRAIN_IDS, Meanings
from pipeline.datasets.problems import DataError
from pipeline.datasets.walking import pass_over

if TYPE_CHECKING:
    from pipeline.params import Gta5Split

MISMATCHED = frozenset({"15188", "17705"})
"""Published pairs whose label has another size than the image; resizing both would train on shifted labels."""


def gta5_meanings(split: Gta5Split) -> Meanings:
    """Return GTA5's own ids, or the 19 train ids that a converter left."""
    return GTA5_IDS if split.label_ids == "gta5" else TRAIN_IDS


def gta5_entries(split: Gta5Split) -> Listing:
    """List ``images/*.png`` (or .jpg) with labels of the same names, sorted by id; ``take`` counts them as published.

    The two pairs in MISMATCHED are left out. ``*_labelTrainIds.png`` beside the labels are passed over; with
    ``label_ids: cityscapes-19`` they are the labels, where there are any.

    Raises:
        DataError: a folder is missing or nothing is left.
    """
    root = expanded(split.root)
    advice = "Set `root` to the folder that holds images/ and labels/ as the archives unpack them."
    images = required_folder(root, "images", advice)
    labels = required_folder(root, "labels", advice)
    image_names = list(files_below(images, IMAGE_SUFFIXES))
    if not image_names:
        raise DataError(f"{images}: holds no image ({', '.join(IMAGE_SUFFIXES)}); {advice}")
    listing = paired(images, image_names, labels, _label_names(labels, split), NAMING, Choice(split.listed, split.take))
    return Listing((entry for entry in listing if entry.id not in MISMATCHED), listing.__length_hint__())


def _label_names(labels: Path, split: Gta5Split) -> list[str]:
    names = list(files_below(labels, IMAGE_SUFFIXES))
    converted = [name for name in names if name.endswith(TRAIN_ID_ENDING)]
    if split.label_ids == "cityscapes-19":
        return converted or names
    if converted and len(converted) == len(names):
        raise DataError(f"{labels}: holds *{TRAIN_ID_ENDING} only; say label_ids: cityscapes-19")
    pass_over(f"*{TRAIN_ID_ENDING}", len(converted))
    return [name for name in names if not name.endswith(TRAIN_ID_ENDING)]


GTA5 = Layout("gta5", gta5_entries, gta5_meanings, {"gta5": GTA5_IDS})
