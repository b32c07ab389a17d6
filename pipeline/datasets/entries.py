"""All layouts, and what they say of a split of params.yaml.

A new layout is one file in ``layouts/`` that ends with its record, and one line in ``LAYOUTS``. Only ``prepare`` and
the commands read them: what later stages need of a layout is in a file beside the manifest (opening.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from pipeline.common.labels import ClassSet
from pipeline.datasets.bands import ImageReading
from pipeline.datasets.decoding import LabelReader
from pipeline.datasets.layout import Layout
from pipeline.datasets.layouts.bdd100k import BDD100K
from pipeline.datasets.layouts.camvid import CAMVID
from pipeline.datasets.layouts.carla import CARLA
from pipeline.datasets.layouts.cityscapes import CITYSCAPES
from pipeline.datasets.layouts.cracks import CRACKS
from pipeline.datasets.layouts.digits import DIGITS
from pipeline.datasets.layouts.folder import FOLDER
from pipeline.datasets.layouts.gta5 import GTA5
from pipeline.datasets.layouts.nthu import NTHU
from pipeline.datasets.layouts.streets import STREETS
from pipeline.datasets.layouts.synscapes import SYNSCAPES
from pipeline.datasets.layouts.synthia import SYNTHIA
from pipeline.datasets.listing import Entry
from pipeline.datasets.meaning import Meanings, table_of
from pipeline.datasets.problems import DataError

if TYPE_CHECKING:
    from pipeline.params import AnySplit

__all__ = [
    "LAYOUTS",
    "PUBLISHED",
    "DataError",
    "Entry",
    "entries",
    "image_reading",
    "label_reader",
    "label_table",
    "meanings",
]

LAYOUTS: dict[str, Layout] = {
    layout.name: layout
    for layout in (
        GTA5,
        SYNTHIA,
        SYNSCAPES,
        CITYSCAPES,
        NTHU,
        BDD100K,
        CAMVID,
        CARLA,
        STREETS,
        CRACKS,
        DIGITS,
        FOLDER,
    )
}

PUBLISHED: dict[str, Meanings] = {
    name: meanings for layout in LAYOUTS.values() for name, meanings in layout.published.items()
}
"""Tables of ids by the name of the layout, and of its edition where it has several."""


def entries(split: AnySplit) -> Iterator[Entry]:
    """List the images of a split with their labels, sorted by id; nothing is opened.

    Raises:
        DataError: at once where the files are not where the split says: what was looked for and what is there.
    """
    return LAYOUTS[split.layout].entries(split)


def meanings(split: AnySplit) -> Meanings:
    """Return what the ids in a split's label files mean."""
    return LAYOUTS[split.layout].meanings(split)


def label_table(split: AnySplit, classes: ClassSet) -> np.ndarray:
    """Return the (256,) uint8 table from the ids in a split's label files to indices of the class set.

    Ids of classes outside the set are IGNORE (255); ids that the data set does not define are UNKNOWN (254).
    """
    return table_of(meanings(split), classes)


def image_reading(split: AnySplit) -> ImageReading:
    """Return which bands and which range of the split's image files become red, green and blue."""
    return LAYOUTS[split.layout].reading(split)


def label_reader(split: AnySplit) -> LabelReader:
    """Return what decodes the split's label files: most hold 8-bit ids, some hide them in colours or in 16 bits."""
    return LAYOUTS[split.layout].decoder(split).reader()
