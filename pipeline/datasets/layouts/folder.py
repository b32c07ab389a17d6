"""The layout ``folder``: one's own data, a folder of images and perhaps a folder of labels of the same names."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.datasets.layout import Layout
from pipeline.datasets.listing import (
    EVERYTHING,
    IMAGE_SUFFIXES,
    SAME_NAME,
    Choice,
    Listing,
    Naming,
    expanded,
    files_below,
    paired,
    required_folder,
    without_suffix,
)
from pipeline.datasets.meaning import Meaning, Meanings
from pipeline.datasets.problems import DataError

if TYPE_CHECKING:
    from pipeline.params import FolderSplit


def folder_entries(split: FolderSplit) -> Listing:
    """List images below ``root/images`` with the labels of the same names below ``root/labels``, sorted by id.

    An id is the path below the folder without suffix.

    Raises:
        DataError: a folder is missing, holds no image, or ``include`` and ``take`` leave none.
    """
    root = expanded(split.root)
    images = required_folder(root, split.images, "Set `root` and `images` to the folder that holds the images.")
    labels = None
    if split.labels is not None:
        labels = required_folder(root, split.labels, "Set `labels` to its name, or `labels: null` if there are none.")
        if labels.samefile(images):
            raise DataError(f"{images}: `images` and `labels` are the same folder; an image and its label share a name")
    return same_names(images, labels, include=split.include, choice=Choice(split.listed, split.take))


def folder_meanings(split: FolderSplit) -> Meanings:
    """Return ``class_map``: one's own ids have no names but those of the classes that they count as."""
    return {identity: Meaning(name, name) for identity, name in split.class_map.items()}


def same_names(
    images: Path,
    labels: Path | None,
    *,
    endings: tuple[str, ...] = IMAGE_SUFFIXES,
    include: Sequence[str] = ("*",),
    choice: Choice = EVERYTHING,
    naming: Naming = SAME_NAME,
) -> Listing:
    """List entries of two folders whose files have the same names; ``choice`` is among what ``include`` keeps."""
    image_names = list(files_below(images, endings, apart_from=labels))
    names = _included(image_names, include)
    if not names:
        raise DataError(_why_empty(images, endings, image_names, include))
    label_names: list[str] = []
    if labels is not None:
        # Every suffix is listed, also those that no label may have: index_split then says what is wrong with them.
        label_names = _included(list(files_below(labels, IMAGE_SUFFIXES, images)), include)
    return paired(images, names, labels, label_names, naming, choice)


def _included(names: list[str], patterns: Sequence[str]) -> list[str]:
    if "*" in patterns:
        return names
    return [name for name in names if any(fnmatchcase(without_suffix(name), pattern) for pattern in patterns)]


def _why_empty(images: Path, endings: tuple[str, ...], names: list[str], include: Sequence[str]) -> str:
    if not names:
        return f"{images}: holds no image ({', '.join(endings)}); set `root` and `images` to the folder that does"
    ids = ", ".join(sorted(without_suffix(name) for name in names)[:3])
    return f"{images}: `include` {list(include)} matches none of {len(names)} ids such as {ids}"


FOLDER = Layout("folder", folder_entries, folder_meanings)
