"""The files of a split, how its labels are read and what their ids mean, by the split's layout.

A new layout is one file with a function that lists entries and a table of ids, and one line in the dicts below.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from pipeline.common.labels import ClassSet
from pipeline.datasets.decoding import read_label
from pipeline.datasets.layouts.bdd100k import bdd100k_entries
from pipeline.datasets.layouts.camvid import camvid_entries, camvid_meanings, read_camvid_colours
from pipeline.datasets.layouts.carla import carla_entries, carla_meanings, read_carla_label
from pipeline.datasets.layouts.cityscapes import cityscapes_entries
from pipeline.datasets.layouts.digits import DIGIT_IDS, archive_entries
from pipeline.datasets.layouts.folder import folder_entries, folder_meanings
from pipeline.datasets.layouts.gta5 import gta5_entries, gta5_meanings
from pipeline.datasets.layouts.nthu import NTHU_IDS, nthu_entries
from pipeline.datasets.layouts.synscapes import synscapes_entries
from pipeline.datasets.layouts.synthia import read_synthia_label, synthia_entries, synthia_meanings
from pipeline.datasets.listing import Entry
from pipeline.datasets.meaning import CITYSCAPES_IDS, TRAIN_IDS, Meanings, table_of
from pipeline.datasets.problems import DataError

if TYPE_CHECKING:
    from pipeline.params import AnySplit

__all__ = ["DataError", "Entry", "entries", "label_reader", "label_table", "meanings"]

LabelReader = Callable[[bytes], Image.Image]
"""From a label file's bytes to ids in mode L or P; raises DataError."""

ENTRIES: dict[str, Callable[[Any], Iterator[Entry]]] = {
    "folder": folder_entries,
    "cityscapes": cityscapes_entries,
    "gta5": gta5_entries,
    "synthia": synthia_entries,
    "synscapes": synscapes_entries,
    "nthu": nthu_entries,
    "bdd100k": bdd100k_entries,
    "camvid": camvid_entries,
    "carla": carla_entries,
    "digits": archive_entries,
}

MEANINGS: dict[str, Callable[[Any], Meanings]] = {
    "streets": lambda split: TRAIN_IDS,
    "folder": folder_meanings,
    "cityscapes": lambda split: CITYSCAPES_IDS,
    "gta5": gta5_meanings,
    "synthia": synthia_meanings,
    "synscapes": lambda split: CITYSCAPES_IDS,
    "nthu": lambda split: NTHU_IDS,
    "bdd100k": lambda split: TRAIN_IDS,
    "camvid": camvid_meanings,
    "carla": carla_meanings,
    "digits": lambda split: DIGIT_IDS,
}


def entries(split: AnySplit) -> Iterator[Entry]:
    """The images of a split with their labels, sorted by id; nothing is opened.

    Raises DataError at once where the files are not where the split says: what was looked for and what is there.
    """
    if split.layout not in ENTRIES:
        raise DataError(f"layout {split.layout!r} is drawn, not found: see write_streets and streets_entries")
    return ENTRIES[split.layout](split)


def meanings(split: AnySplit) -> Meanings:
    """What the ids in a split's label files stand for."""
    return MEANINGS[split.layout](split)


def label_table(split: AnySplit, classes: ClassSet) -> np.ndarray:
    """The (256,) uint8 table from the ids in a split's label files to indices of the class set.

    Ids of classes outside the set are IGNORE (255); ids that the data set does not define are UNKNOWN (254).
    """
    return table_of(meanings(split), classes)


def label_reader(split: AnySplit) -> LabelReader:
    """How the split's label files are decoded: most hold 8-bit ids, some hide them in colours or in 16 bits."""
    if split.layout == "synthia" and split.label_ids == "synthia":
        return read_synthia_label
    if split.layout == "carla":
        return read_carla_label
    if split.layout == "camvid" and split.edition == "original-32":
        return read_camvid_colours
    return read_label
