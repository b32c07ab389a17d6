"""The layout ``cityscapes``: the published archives leftImg8bit_trainvaltest and gtFine_trainvaltest, unpacked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.datasets.layout import Layout
from pipeline.datasets.listing import Choice, Listing, Naming, expanded, files_below, paired, required_folder
from pipeline.datasets.meaning import CITYSCAPES_IDS
from pipeline.datasets.problems import DataError

if TYPE_CHECKING:
    from pipeline.params import CityscapesSplit

IMAGE_ENDING = "_leftImg8bit.png"
LABEL_ENDING = "_gtFine_labelIds.png"


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
    image_names = list(files_below(images, (IMAGE_ENDING.lower(),)))
    if not image_names:
        raise DataError(f"{images}: holds no CITY/*{IMAGE_ENDING}; {advice}")
    choice = Choice(split.listed, split.take)
    labels = root / "gtFine" / split.split
    if split.split == "test" or not labels.is_dir():
        return paired(images, image_names, None, [], NAMING, choice)
    return paired(images, image_names, labels, list(files_below(labels, (LABEL_ENDING.lower(),))), NAMING, choice)


def _stem(name: str) -> str:
    """The name without its ending in either case: a copy from another system may say .PNG."""
    stem = name.rpartition("/")[2]
    ending = next((end for end in (IMAGE_ENDING, LABEL_ENDING) if stem.lower().endswith(end.lower())), "")
    return stem[: len(stem) - len(ending)]


def _image_of_label(name: str) -> str:
    return name.removesuffix(LABEL_ENDING) + IMAGE_ENDING


NAMING = Naming(_stem, _image_of_label)
CITYSCAPES = Layout("cityscapes", cityscapes_entries, lambda _split: CITYSCAPES_IDS, {"cityscapes": CITYSCAPES_IDS})
