"""The layout ``folder``: one's own data, a folder of images and perhaps a folder of labels of the same names."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.datasets.bands import ImageReading
from pipeline.datasets.layout import Layout
from pipeline.datasets.layouts.own_names import ANY_ENDING, Endings, included, suffixes, with_ending
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

    An id is the path below the folder without suffix, or without ``image_ending`` and ``label_ending``.

    Raises:
        DataError: a folder is missing, holds no image, or ``include`` and ``take`` leave none.
    """
    root = expanded(split.root)
    images = required_folder(root, split.images, "Set `root` and `images` to the folder that holds the images.")
    endings = Endings(split.image_ending, split.label_ending)
    labels = None
    if split.labels is not None:
        labels = required_folder(root, split.labels, "Set `labels` to its name, or `labels: null` if there are none.")
        if labels.samefile(images) and endings == ANY_ENDING:
            raise DataError(
                f"{images}: `images` and `labels` are the same folder; say what tells them apart, such as"
                " image_ending: .jpg and label_ending: .png"
            )
    choice = Choice(split.listed, split.take)
    return same_names(images, labels, include=split.include, choice=choice, endings_of=endings)


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
    endings_of: Endings = ANY_ENDING,
) -> Listing:
    """List entries of two folders whose files have the same names; ``choice`` is among what ``include`` keeps.

    ``endings_of`` names what images' and labels' names end in, where that differs.
    """
    together = labels is not None and labels.samefile(images)
    if endings_of != ANY_ENDING:
        naming, endings = endings_of.naming(), suffixes(endings_of.image)
    image_names = list(files_below(images, endings, apart_from=None if together else labels))
    image_names = with_ending(image_names, endings_of.image, endings_of.label if together else None)
    names = included(image_names, include, naming.identity)
    if not names:
        raise DataError(_why_empty(images, endings_of.image or ", ".join(endings), image_names, include))
    label_names: list[str] = []
    if labels is not None:
        # Every suffix is listed, also those that no label may have: index_split then says what is wrong with them.
        label_names = list(files_below(labels, suffixes(endings_of.label), None if together else images))
        label_names = with_ending(label_names, endings_of.label, endings_of.image if together else None)
        label_names = included(label_names, include, naming.of_label)
    return paired(images, names, labels, label_names, naming, choice)


def _why_empty(images: Path, endings: str, names: list[str], include: Sequence[str]) -> str:
    if not names:
        return f"{images}: holds no image ({endings}); set `root` and `images` to the folder that does"
    ids = ", ".join(sorted(without_suffix(name) for name in names)[:3])
    return f"{images}: `include` {list(include)} matches none of {len(names)} ids such as {ids}"


def _reading(split: FolderSplit) -> ImageReading:
    return ImageReading(split.bands, split.range)


FOLDER = Layout("folder", folder_entries, folder_meanings, reading=_reading)
