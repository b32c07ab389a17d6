"""The layout ``folder``: one's own data, a folder of images and perhaps a folder of labels of the same names."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pipeline.datasets.listing import (
    IMAGE_SUFFIXES,
    Listing,
    Naming,
    files_below,
    paired,
    required_folder,
    without_suffix,
)
from pipeline.datasets.problems import DataError
from pipeline.labels import ClassSet, id_table

if TYPE_CHECKING:
    from pipeline.params import FolderSplit

Take = tuple[int | None, int | None]


def folder_entries(split: FolderSplit) -> Listing:
    """Images below ``root/images`` with the labels of the same names below ``root/labels``, sorted by id.

    An id is the path below the folder without suffix. Raises DataError where a folder is missing, holds no image, or
    ``include`` and ``take`` leave none.
    """
    root = Path(split.root).expanduser()
    images = required_folder(root, split.images, "Set `root` and `images` to the folder that holds the images.")
    labels = None
    if split.labels is not None:
        labels = required_folder(root, split.labels, "Set `labels` to its name, or `labels: null` if there are none.")
        if labels.samefile(images):
            raise DataError(f"{images}: `images` and `labels` are the same folder; an image and its label share a name")
    return same_names(images, labels, include=split.include, take=split.take)


def folder_label_table(split: FolderSplit, classes: ClassSet) -> np.ndarray:
    """The (256,) uint8 table of ``class_map``; ids that it does not list are UNKNOWN."""
    return id_table(dict(split.class_map), classes)


def same_names(
    images: Path,
    labels: Path | None,
    *,
    endings: tuple[str, ...] = IMAGE_SUFFIXES,
    include: Sequence[str] = ("*",),
    take: Take = (None, None),
) -> Listing:
    """Entries of two folders whose files have the same names; ``take`` counts the images that ``include`` keeps."""
    found = sorted(files_below(images, endings, apart_from=labels), key=without_suffix)
    included = _included(found, include)
    names = included[slice(*take)]
    if not names:
        raise DataError(_why_empty(images, endings, found, included, include, take))
    label_names: list[str] = []
    if labels is not None:
        # Every suffix is listed, also those that no label may have: index_split then says what is wrong with them.
        label_names = _included(sorted(files_below(labels, IMAGE_SUFFIXES, images), key=without_suffix), include)
        if take != (None, None):
            label_names = _between(label_names, names[0], names[-1])
    return paired(images, names, labels, label_names, Naming())


def _included(names: list[str], patterns: Sequence[str]) -> list[str]:
    if "*" in patterns:
        return names
    return [name for name in names if any(fnmatchcase(without_suffix(name), pattern) for pattern in patterns)]


def _between(names: list[str], first: str, last: str) -> list[str]:
    """Of sorted names those whose ids lie in the range of the images taken: labels outside belong to other splits."""
    start = bisect_left(names, without_suffix(first), key=without_suffix)
    return names[start : bisect_right(names, without_suffix(last), key=without_suffix)]


def _why_empty(
    images: Path, endings: tuple[str, ...], found: list[str], included: list[str], include: Sequence[str], take: Take
) -> str:
    if not found:
        return f"{images}: holds no image ({', '.join(endings)}); set `root` and `images` to the folder that does"
    if not included:
        ids = ", ".join(without_suffix(name) for name in found[:3])
        return f"{images}: `include` {list(include)} matches none of {len(found)} ids such as {ids}"
    return f"{images}: `take` {list(take)} keeps none of {len(included)} images"
