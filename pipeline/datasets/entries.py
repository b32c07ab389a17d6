"""The files of a split and what its label ids mean, by the split's layout.

A new layout is one file with a function that lists entries, and one line in each of the two dicts below.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.datasets.cityscapes import cityscapes_entries
from pipeline.datasets.folder import folder_entries, folder_label_table
from pipeline.datasets.gta5 import gta5_entries
from pipeline.datasets.listing import Entry
from pipeline.datasets.problems import DataError
from pipeline.labels import ClassSet, cityscapes_id_table, train_id_table

if TYPE_CHECKING:
    from pipeline.params import AnySplit

__all__ = ["DataError", "Entry", "entries", "label_table"]

ENTRIES: dict[str, Callable[[Any], Iterator[Entry]]] = {
    "folder": folder_entries,
    "cityscapes": cityscapes_entries,
    "gta5": gta5_entries,
}

LABEL_TABLES: dict[str, Callable[[Any, ClassSet], np.ndarray]] = {
    "streets": lambda split, classes: train_id_table(classes),
    "folder": folder_label_table,
    "cityscapes": lambda split, classes: cityscapes_id_table(classes),
    "gta5": lambda split, classes: cityscapes_id_table(classes),
}


def entries(split: AnySplit) -> Iterator[Entry]:
    """The images of a split with their labels, sorted by id; nothing is opened.

    Raises DataError at once where the files are not where the split says: what was looked for and what is there.
    """
    if split.layout not in ENTRIES:
        raise DataError(f"layout {split.layout!r} is drawn, not found: see write_streets and streets_entries")
    return ENTRIES[split.layout](split)


def label_table(split: AnySplit, classes: ClassSet) -> np.ndarray:
    """The (256,) uint8 table from the ids in a split's label files to indices of the class set.

    Ids of classes outside the set are IGNORE (255); ids that the data set does not define are UNKNOWN (254).
    """
    return LABEL_TABLES[split.layout](split, classes)
