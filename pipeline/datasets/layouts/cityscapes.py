"""The layout ``cityscapes``: the published archives leftImg8bit_trainvaltest and gtFine_trainvaltest, unpacked."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.datasets.layout import Layout
from pipeline.datasets.listing import (
    IMAGE_SUFFIXES,
    Choice,
    Listing,
    Naming,
    expanded,
    files_below,
    paired,
    required_folder,
    without_suffix,
)
from pipeline.datasets.meaning import CITYSCAPES_IDS, TRAIN_IDS, Meanings
from pipeline.datasets.problems import DataError

if TYPE_CHECKING:
    from pipeline.params import CityscapesSplit

IMAGE_ENDING = "_leftImg8bit.png"
LABEL_ENDING = "_gtFine_labelIds.png"
TRAIN_ID_ENDING = "_gtFine_labelTrainIds.png"
_IMAGE_STEM = "_leftimg8bit"


def cityscapes_entries(split: CityscapesSplit) -> Listing:
    """List ``leftImg8bit/SPLIT/CITY/STEM_leftImg8bit.png`` with their labelIds, sorted by id, which is STEM.

    The test split has no labels: what gtFine holds for it is a placeholder. Without a folder gtFine every label is
    None, which is enough for a target.

    Raises:
        DataError: there are no images.
    """
    root = expanded(split.root)
    advice = "Set `root` to the folder that holds leftImg8bit/ and gtFine/ as the archives unpack them."
    images = required_folder(root, f"leftImg8bit/{split.split}", advice)
    image_names = list(files_below(images, tuple(_IMAGE_STEM + suffix for suffix in IMAGE_SUFFIXES)))
    if not image_names:
        raise DataError(f"{images}: holds no CITY/*{IMAGE_ENDING}; {advice}")
    choice = Choice(split.listed, split.take)
    labels = root / "gtFine" / split.split
    if split.split == "test" or not labels.is_dir():
        return paired(images, image_names, None, [], NAMING, choice)
    return paired(images, image_names, labels, _label_names(labels, split), NAMING, choice)


def _label_names(labels: Path, split: CityscapesSplit) -> list[str]:
    """The labels of the ids that the split says: train ids of *_labelTrainIds.png where there are any."""
    if split.label_ids == "cityscapes-19":
        converted = list(files_below(labels, (TRAIN_ID_ENDING.lower(),)))
        if converted:
            return converted
    return list(files_below(labels, (LABEL_ENDING.lower(),)))


def cityscapes_meanings(split: CityscapesSplit) -> Meanings:
    """Return Cityscapes' label ids, or the 19 train ids that a converter left."""
    return CITYSCAPES_IDS if split.label_ids == "cityscapes" else TRAIN_IDS


def _stem(name: str) -> str:
    """The name without its ending in either case: a copy from another system may say .PNG."""
    stem = name.rpartition("/")[2]
    ending = next((end for end in (LABEL_ENDING, TRAIN_ID_ENDING) if stem.lower().endswith(end.lower())), None)
    if ending is not None:
        return stem[: len(stem) - len(ending)]
    bare = without_suffix(stem) if stem.lower().endswith(IMAGE_SUFFIXES) else stem
    return bare[: len(bare) - len(_IMAGE_STEM)] if bare.lower().endswith(_IMAGE_STEM) else bare


def _image_of_label(name: str) -> str:
    return name.removesuffix(LABEL_ENDING).removesuffix(TRAIN_ID_ENDING) + IMAGE_ENDING


NAMING = Naming(_stem, _image_of_label)
CITYSCAPES = Layout("cityscapes", cityscapes_entries, cityscapes_meanings, {"cityscapes": CITYSCAPES_IDS})
