"""The layout ``nthu``: the cross-city set of Chen et al. (ICCV 2017), four cities with 13 classes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.common.labels import CLASS_SETS
from pipeline.datasets.folds import fold_of
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
from pipeline.datasets.meaning import CITYSCAPES_IDS, NOTHING, TRAIN_IDS, Meanings
from pipeline.datasets.problems import DataError

if TYPE_CHECKING:
    from pipeline.params import NthuSplit

LABEL_ENDING = "_eval.png"
FOLDS = 10


def _of_13_classes(meanings: Meanings) -> Meanings:
    return {
        identity: meaning if meaning.counts_as in CLASS_SETS["nthu-13"].names else meaning._replace(counts_as=NOTHING)
        for identity, meaning in meanings.items()
    }


NTHU_IDS: Meanings = _of_13_classes(CITYSCAPES_IDS)
"""Label ids of Cityscapes, of which 13 classes are scored; the others are ignored."""


def nthu_meanings(split: NthuSplit) -> Meanings:
    """Return Cityscapes' label ids, or the train ids that a converter left under the published names."""
    return NTHU_IDS if split.label_ids == "cityscapes" else _of_13_classes(TRAIN_IDS)


def nthu_entries(split: NthuSplit) -> Listing:
    """List ``CITY/Images/Train/*.jpg`` without labels, or ``CITY/Images/Test/*`` with ``CITY/Labels/Test/*_eval.png``.

    With ``fold``, the tenth of the test images that is scored, or the nine tenths that are adapted to. Raises
    DataError where a folder is missing or holds no image.
    """
    root = expanded(split.root)
    advice = "Set `root` to the folder that holds Rio/, Rome/, Taipei/ and Tokyo/ as the archives unpack them."
    part = "Train" if split.split == "train" else "Test"
    images = required_folder(root, f"{split.city}/Images/{part}", advice)
    names = sorted(files_below(images, IMAGE_SUFFIXES), key=without_suffix)
    if not names:
        raise DataError(f"{images}: holds no image; {advice}")
    choice = Choice(split.listed, split.take)
    labels = root / split.city / "Labels" / "Test"
    if part == "Train" or not labels.is_dir():
        return paired(images, _fold(names, split), None, [], NAMING, choice)
    label_names = sorted(files_below(labels, (LABEL_ENDING,)), key=_identity)
    if split.fold is not None:
        kept = {_identity(name) for name in _fold(names, split)}
        label_names = [name for name in label_names if _identity(name) in kept]
    return paired(images, _fold(names, split), labels, label_names, NAMING, choice)


def _fold(names: list[str], split: NthuSplit) -> list[str]:
    if split.fold is None:
        return names
    scored = split.part == "score"
    return [
        name for position, name in enumerate(names) if (fold_of(position, len(names), FOLDS) == split.fold) == scored
    ]


def _identity(name: str) -> str:
    return name.removesuffix(LABEL_ENDING) if name.endswith(LABEL_ENDING) else without_suffix(name)


def _image_of_label(name: str) -> str:
    return _identity(name) + ".png"


NAMING = Naming(_identity, _image_of_label)
NTHU = Layout(
    "nthu",
    nthu_entries,
    nthu_meanings,
    {"nthu": NTHU_IDS},
    folds=lambda split: FOLDS if split.fold is None else 1,
)
