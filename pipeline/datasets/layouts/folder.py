"""The layout ``folder``: one's own data, a folder of images and perhaps a folder of labels of the same names."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.common.labels import CLASS_SETS, IGNORE
from pipeline.common.own_classes import colour_of
from pipeline.datasets.bands import ImageReading
from pipeline.datasets.decoding import IDS, Decoder
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
from pipeline.datasets.meaning import NOTHING, Meaning, Meanings, numbered
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
    """Return what ``class_map`` says: one's own ids have no names but those of the classes that they count as.

    The ids of a map by colour are the numbers of its classes, in the order in which they come first.
    """
    class_map = split.class_map
    if isinstance(class_map, str):
        return _known_table(class_map)
    if not isinstance(class_map, dict):
        return numbered((name, name) for name in class_map)
    if _by_colour(class_map):
        number_of = _numbers(class_map)
        return {
            number: Meaning(" ".join(str(key) for key, other in class_map.items() if other == name), name)
            for name, number in number_of.items()
        }
    return {int(identity): Meaning(name, name) for identity, name in class_map.items()}


def _known_table(name: str) -> Meanings:
    """The ids of a class set, with 255 ignored as in every label that a program wrote for training; or a data set's."""
    from pipeline.datasets.entries import PUBLISHED  # which imports this file

    if name in PUBLISHED:
        return PUBLISHED[name]
    return {**numbered((known, known) for known in CLASS_SETS[name].names), IGNORE: Meaning("ignored", NOTHING)}


def _by_colour(class_map: dict[int | str, str]) -> bool:
    return any(isinstance(key, str) for key in class_map)


def _numbers(class_map: dict[int | str, str]) -> dict[str, int]:
    return {name: number for number, name in enumerate(dict.fromkeys(class_map.values()))}


def _decoder(split: FolderSplit) -> Decoder:
    class_map = split.class_map
    if not isinstance(class_map, dict) or not _by_colour(class_map):
        return IDS
    colours = [list(colour_of(key) or ()) for key in class_map]  # checked by params
    return Decoder("colours", {"colours": colours, "ids": [_numbers(class_map)[name] for name in class_map.values()]})


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


FOLDER = Layout("folder", folder_entries, folder_meanings, decoder=_decoder, reading=_reading)
