"""The layout ``bdd100k``: the 10K images with semantic segmentation of BDD100K (Yu et al., CVPR 2020)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.datasets.layout import Layout
from pipeline.datasets.listing import (
    IMAGE_SUFFIXES,
    Choice,
    Listing,
    Naming,
    expanded,
    files_below,
    first_folder,
    paired,
    without_suffix,
)
from pipeline.datasets.meaning import TRAIN_IDS
from pipeline.datasets.problems import DataError

if TYPE_CHECKING:
    from pipeline.params import Bdd100kSplit

OLD_ENDING = "_train_id.png"


def bdd100k_entries(split: Bdd100kSplit) -> Listing:
    """List ``images/10k/SPLIT/*.jpg`` with ``labels/sem_seg/masks/SPLIT/*.png``, sorted by id.

    The release of 2018, ``seg/images/SPLIT`` with ``seg/labels/SPLIT/*_train_id.png``, is read too. The test split
    has no labels.

    Raises:
        DataError: a folder is missing or holds no image.
    """
    root = expanded(split.root)
    advice = "Set `root` to the folder bdd100k, which holds images/ and labels/ as the archives unpack them."
    images = first_folder(root, (f"images/10k/{split.split}", f"seg/images/{split.split}"), advice)
    image_names = list(files_below(images, IMAGE_SUFFIXES))
    if not image_names:
        raise DataError(f"{images}: holds no image; {advice}")
    old = images.parts[-3:-1] == ("seg", "images")
    labels = root / "seg" / "labels" / split.split if old else root / "labels" / "sem_seg" / "masks" / split.split
    choice = Choice(split.listed, split.take)
    if split.split == "test" or not labels.is_dir():
        return paired(images, image_names, None, [], NAMING, choice)
    return paired(
        images, image_names, labels, list(files_below(labels, (OLD_ENDING if old else ".png",))), NAMING, choice
    )


def _identity(name: str) -> str:
    return name.removesuffix(OLD_ENDING) if name.endswith(OLD_ENDING) else without_suffix(name)


def _image_of_label(name: str) -> str:
    return _identity(name) + ".jpg"


NAMING = Naming(_identity, _image_of_label)
BDD100K = Layout("bdd100k", bdd100k_entries, lambda _split: TRAIN_IDS, {"bdd100k": TRAIN_IDS})
