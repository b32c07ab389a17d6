"""The published class sets, and Cityscapes' label ids.

No stage but ``prepare`` depends on this table: ``prepare`` writes the names of the chosen set beside every manifest.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pipeline.common.class_set import IGNORE, UNKNOWN, ClassSet, colour_label, id_table

__all__ = [
    "CITYSCAPES_19",
    "CITYSCAPES_ID_TO_TRAIN_ID",
    "CLASS_SETS",
    "DIGITS_10",
    "IGNORE",
    "NTHU_MERGES",
    "UNKNOWN",
    "ClassSet",
    "class_set",
    "colour_label",
    "id_table",
]

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


NTHU_MERGES = {"wall": "building", "fence": "building", "pole": "building", "truck": "car", "terrain": "vegetation"}
"""How CBST scores a network of 19 classes on NTHU's 13. It leaves train out, which stays an error."""


def class_set(classes: str | Mapping[str, Sequence[str]]) -> ClassSet:
    """Return the class set of that name, or one's own: a mapping of one name to names of the 19 classes, in any order.

    Raises:
        ValueError: the name is unknown, or the mapping is not of one new name to at least two classes.
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
