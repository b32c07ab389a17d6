"""What the ids of a data set's label files mean."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from pipeline.common.labels import CITYSCAPES_19, CITYSCAPES_ID_TO_TRAIN_ID, IGNORE, ClassSet, id_table

NOTHING = "ignore"


class Meaning(NamedTuple):
    """The name that a data set gives to an id, and the class (or "ignore") that it counts as here."""

    published: str
    counts_as: str
    occurs: bool = True
    """False for an id that the documentation has and the published files have not."""


Meanings = dict[int, Meaning]
"""Label id: what it means. Ids that are not in the dict are errors in a label."""


def table_of(meanings: Meanings, classes: ClassSet) -> np.ndarray:
    """Return the (256,) uint8 table from ids to indices of the class set; see ``id_table``."""
    return id_table({identity: meaning.counts_as for identity, meaning in meanings.items()}, classes)


def numbered(rows: Iterable[tuple[str, str]]) -> Meanings:
    """Return meanings of the ids 0, 1, … from pairs of a published name and a class; "" is "ignore"."""
    return {identity: Meaning(published, counts_as or NOTHING) for identity, (published, counts_as) in enumerate(rows)}


CITYSCAPES_IDS: Meanings = {
    identity: Meaning(
        name,
        CITYSCAPES_19.names[CITYSCAPES_ID_TO_TRAIN_ID[identity]] if identity in CITYSCAPES_ID_TO_TRAIN_ID else NOTHING,
    )
    for identity, name in {
        **dict(enumerate((
            "unlabeled", "ego vehicle", "rectification border", "out of roi", "static", "dynamic", "ground", "road",
            "sidewalk", "parking", "rail track", "building", "wall", "fence", "guard rail", "bridge", "tunnel", "pole",
            "polegroup", "traffic light", "traffic sign", "vegetation", "terrain", "sky", "person", "rider", "car",
            "truck", "bus", "caravan", "trailer", "train", "motorcycle", "bicycle", "license plate (GTA5)",
        ))),
        255: "license plate (-1)",
    }.items()
}  # fmt: skip
"""Label ids of Cityscapes, which Synscapes and NTHU use too."""

GTA5_IDS: Meanings = {identity: meaning for identity, meaning in CITYSCAPES_IDS.items() if identity != 255}
"""The same without 255, which GTA5 does not have: its number plates are 34. Who holds 255 holds train ids."""

TRAIN_IDS: Meanings = {
    **numbered((name, name) for name in CITYSCAPES_19.names),
    IGNORE: Meaning("ignored", NOTHING),
}
"""The 19 train ids (BDD100K, *_labelTrainIds.png)."""
