"""The class sets, published ones and one's own, and Cityscapes' label ids.

No stage but ``prepare`` depends on this table: ``prepare`` writes the names of the chosen set beside every manifest.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.common.class_set import IGNORE, UNKNOWN, ClassSet, colour_label, id_table
from pipeline.common.own_classes import is_file_of_classes, own_class_set, palette_of, read_class_set

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
    "classes_named",
    "classes_of_model",
    "colour_label",
    "id_table",
    "own_palette",
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


KNOWN_COLOURS = {
    name: colour for classes in CLASS_SETS.values() for name, colour in zip(classes.names, classes.palette, strict=True)
}
"""The colour of every class of a published set."""


def classes_named(title: str, names: tuple[str, ...]) -> ClassSet:
    """Return classes of which only the names are known: in the published sets' colours, else in drawn ones."""
    return ClassSet(title, names, palette_of(names, {}, KNOWN_COLOURS))


def classes_of_model(names: tuple[str, ...], palette: Sequence[Sequence[int]] | None) -> ClassSet:
    """Return the classes of a model file, which has a palette where the colours of the names would be others."""
    if palette is None:
        return classes_named("a model's", names)
    return ClassSet("a model's", names, tuple((red, green, blue) for red, green, blue in palette))


def own_palette(classes: ClassSet) -> dict[str, list[list[int]]]:
    """Return what a model file keeps of the colours: nothing where the names alone give the same."""
    if classes.palette == classes_named("", classes.names).palette:
        return {}
    return {"palette": [list(colour) for colour in classes.palette]}


def class_set(classes: str | Mapping[str, Any]) -> ClassSet:
    """Return the class set that ``classes`` of params.yaml means.

    A text is the name of a published set or the path of a YAML file; a mapping with ``names`` is a set of one's own
    (own_classes.py), one of a new name to a list is a subset of the 19 classes in any order.

    Raises:
        ValueError: the set is unknown, the file cannot be read, or a set of one's own has something wrong.
    """
    if isinstance(classes, str):
        if is_file_of_classes(classes):
            return read_class_set(classes, KNOWN_COLOURS, tuple(CLASS_SETS))
        if classes not in CLASS_SETS:
            raise ValueError(
                f"class set {classes!r} is unknown; choose one of {', '.join(CLASS_SETS)}, or a file of one's own "
                "such as data/classes/mine.yaml"
            )
        return CLASS_SETS[classes]
    if "names" in classes:
        return own_class_set(classes, KNOWN_COLOURS, tuple(CLASS_SETS))
    return _subset_of_the_19(classes)


def _subset_of_the_19(classes: Mapping[str, Any]) -> ClassSet:
    if len(classes) != 1:
        raise ValueError(
            "classes of one's own are {names: [background, crack]}, or one name with a list of the 19 classes, such as "
            "{large-5: [road, sky]}"
        )
    ((name, members),) = classes.items()
    if not isinstance(members, Sequence) or isinstance(members, str):
        raise ValueError(f"class set {name!r} needs a list of classes")
    if name in CLASS_SETS:
        raise ValueError(f"class set {name!r} is a known one; choose another name for one's own")
    if len(members) < 2 or len(set(members)) < len(members):
        raise ValueError(f"class set {name!r} needs two or more classes, none of them twice")
    if not set(members) & set(CITYSCAPES_19.names):
        listed = ", ".join(map(str, members))
        raise ValueError(f"none of {listed} is a class of {CITYSCAPES_19.name}; for one's own: names: [{listed}]")
    return CITYSCAPES_19.subset(name, tuple(members))
