"""Class sets, id tables and the palette: what a number in a label means.

Inside Roundabout every label is an index into one class set (0 … C-1) or IGNORE.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

IGNORE = 255
"""The label of a pixel that takes no part in training, selection or evaluation."""


@dataclass(frozen=True)
class ClassSet:
    """An ordered list of classes with the colours in which people know them."""

    name: str
    names: tuple[str, ...]
    palette: tuple[tuple[int, int, int], ...]

    def __len__(self) -> int:
        return len(self.names)

    def index(self, class_name: str) -> int:
        """Position of a class. Raises ValueError that lists the names."""
        if class_name not in self.names:
            raise ValueError(f"class {class_name!r} is not in the class set {self.name}: {', '.join(self.names)}")
        return self.names.index(class_name)

    def subset(self, name: str, class_names: tuple[str, ...]) -> ClassSet:
        """The classes named, in that order, with the colours they have here."""
        positions = [self.index(class_name) for class_name in class_names]
        return ClassSet(name, class_names, tuple(self.palette[position] for position in positions))


CITYSCAPES_19 = ClassSet(
    "cityscapes-19",
    (
        "road", "sidewalk", "building", "wall", "fence", "pole", "traffic light", "traffic sign", "vegetation",
        "terrain", "sky", "person", "rider", "car", "truck", "bus", "train", "motorcycle", "bicycle",
    ),
    (
        (128, 64, 128), (244, 35, 232), (70, 70, 70), (102, 102, 156), (190, 153, 153), (153, 153, 153),
        (250, 170, 30), (220, 220, 0), (107, 142, 35), (152, 251, 152), (70, 130, 180), (220, 20, 60),
        (255, 0, 0), (0, 0, 142), (0, 0, 70), (0, 60, 100), (0, 80, 100), (0, 0, 230), (119, 11, 32),
    ),
)  # fmt: skip

SYNTHIA_16_NAMES = tuple(name for name in CITYSCAPES_19.names if name not in ("terrain", "truck", "train"))
SYNTHIA_13_NAMES = tuple(name for name in SYNTHIA_16_NAMES if name not in ("wall", "fence", "pole"))
CARLA_CAMVID_9_NAMES = (
    "road", "sidewalk", "building", "fence", "pole", "traffic sign", "vegetation", "sky", "car",
)  # fmt: skip

DIGITS_10 = ClassSet(
    "digits-10",
    tuple("0123456789"),
    (
        (31, 119, 180), (255, 127, 14), (44, 160, 44), (214, 39, 40), (148, 103, 189), (140, 86, 75),
        (227, 119, 194), (127, 127, 127), (188, 189, 34), (23, 190, 207),
    ),
)  # fmt: skip
"""Handwritten digits: every pixel of an image has the class of its digit."""

CLASS_SETS: dict[str, ClassSet] = {
    "cityscapes-19": CITYSCAPES_19,
    "synthia-16": CITYSCAPES_19.subset("synthia-16", SYNTHIA_16_NAMES),
    "synthia-13": CITYSCAPES_19.subset("synthia-13", SYNTHIA_13_NAMES),
    "nthu-13": CITYSCAPES_19.subset("nthu-13", SYNTHIA_13_NAMES),  # the same classes: both are what all have in common
    "carla-camvid-9": CITYSCAPES_19.subset("carla-camvid-9", CARLA_CAMVID_9_NAMES),
    "digits-10": DIGITS_10,
}

# Cityscapes (and GTA5) label id -> train id of the 19 classes; pipeline/datasets/meaning.py has the others' names.
CITYSCAPES_ID_TO_TRAIN_ID: dict[int, int] = {
    7: 0, 8: 1, 11: 2, 12: 3, 13: 4, 17: 5, 19: 6, 20: 7, 21: 8, 22: 9, 23: 10, 24: 11, 25: 12, 26: 13, 27: 14,
    28: 15, 31: 16, 32: 17, 33: 18,
}  # fmt: skip

UNKNOWN = 254
"""What an id table answers for an id that the data set does not define: such a label is refused, never trained on."""


NTHU_MERGES = {"wall": "building", "fence": "building", "pole": "building", "truck": "car", "terrain": "vegetation"}
"""How CBST scores a network of 19 classes on NTHU's 13. Nothing is said of train: it stays an error."""


def class_set(classes: str | Mapping[str, Sequence[str]]) -> ClassSet:
    """The class set of that name, or one's own: a mapping of one name to names of the 19 classes, in any order.

    Raises ValueError that lists the names, and for a mapping that is none of one name to at least two classes.
    """
    if isinstance(classes, str):
        if classes not in CLASS_SETS:
            raise ValueError(f"class set {classes!r} is unknown; choose one of {', '.join(CLASS_SETS)}")
        return CLASS_SETS[classes]
    if len(classes) != 1:
        raise ValueError("classes of one's own are one name with a list of classes, such as {large-5: [road, sky]}")
    ((name, members),) = classes.items()
    if not isinstance(members, Sequence) or isinstance(members, str):
        raise ValueError(f"class set {name!r} needs a list of classes")
    if name in CLASS_SETS:
        raise ValueError(f"class set {name!r} is a known one; choose another name for one's own")
    if len(members) < 2 or len(set(members)) < len(members):
        raise ValueError(f"class set {name!r} needs two or more classes, none of them twice")
    return CITYSCAPES_19.subset(name, tuple(members))


def id_table(names_by_id: dict[int, str], classes: ClassSet) -> np.ndarray:
    """A (256,) uint8 table from a file's label ids to the class set's indices.

    ``names_by_id`` gives a class name or ``"ignore"`` per id; names of classes outside the set become IGNORE, ids that
    are not in the dict become UNKNOWN.
    """
    table = np.full(256, UNKNOWN, dtype=np.uint8)
    for identity, name in names_by_id.items():
        table[identity] = classes.names.index(name) if name in classes.names else IGNORE
    return table


def colour_label(label_HW: np.ndarray, classes: ClassSet) -> np.ndarray:
    """The label in the palette's colours, (H,W,3) uint8; ignored pixels are black."""
    table = np.zeros((256, 3), dtype=np.uint8)
    table[: len(classes)] = classes.palette
    colour_HW3: np.ndarray = table[label_HW]
    return colour_HW3
