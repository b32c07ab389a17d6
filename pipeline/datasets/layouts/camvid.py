"""The layout ``camvid``: CamVid (Brostow et al., 2009), the original with 32 colours or SegNet's copy with 11 ids."""

# H/W pixels

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from pipeline.datasets.decoding import read_colours
from pipeline.datasets.layouts.folder import same_names
from pipeline.datasets.listing import (
    Choice,
    Listing,
    Naming,
    expanded,
    files_below,
    first_folder,
    paired,
    required_folder,
    without_suffix,
)
from pipeline.datasets.meaning import Meanings, numbered
from pipeline.datasets.problems import DataError

if TYPE_CHECKING:
    from pipeline.params import CamvidSplit

LABEL_ENDING = "_L.png"
ORIGINAL_IMAGES = ("701_StillsRaw_full", "701_StillsRaw")
ORIGINAL_LABELS = ("LabeledApproved_full", "LabeledApproved")

CAMVID_11_IDS: Meanings = numbered((
    ("Sky", "sky"), ("Building", "building"), ("Pole", "pole"), ("Road", "road"), ("Pavement", "sidewalk"),
    ("Tree", "vegetation"), ("SignSymbol", "traffic sign"), ("Fence", "fence"), ("Car", "car"),
    ("Pedestrian", "person"), ("Bicyclist", ""), ("Unlabelled", ""),
))  # fmt: skip
"""SegNet's copy. Its Bicyclist is rider and bicycle in one, so that it counts as neither; lights are in SignSymbol."""

_COLOURS = (
    ((64, 128, 64), "Animal", ""), ((192, 0, 128), "Archway", "building"), ((0, 128, 192), "Bicyclist", ""),
    ((0, 128, 64), "Bridge", ""), ((128, 0, 0), "Building", "building"), ((64, 0, 128), "Car", "car"),
    ((64, 0, 192), "CartLuggagePram", ""), ((192, 128, 64), "Child", "person"),
    ((192, 192, 128), "Column_Pole", "pole"), ((64, 64, 128), "Fence", "fence"),
    ((128, 0, 192), "LaneMkgsDriv", "road"), ((192, 0, 64), "LaneMkgsNonDriv", "road"),
    ((128, 128, 64), "Misc_Text", ""), ((192, 0, 192), "MotorcycleScooter", "motorcycle"),
    ((128, 64, 64), "OtherMoving", ""), ((64, 192, 128), "ParkingBlock", ""), ((64, 64, 0), "Pedestrian", "person"),
    ((128, 64, 128), "Road", "road"), ((128, 128, 192), "RoadShoulder", ""), ((0, 0, 192), "Sidewalk", "sidewalk"),
    ((192, 128, 128), "SignSymbol", "traffic sign"), ((128, 128, 128), "Sky", "sky"),
    ((64, 128, 192), "SUVPickupTruck", "car"), ((0, 0, 64), "TrafficCone", ""),
    ((0, 64, 64), "TrafficLight", "traffic light"), ((192, 64, 128), "Train", "train"),
    ((128, 128, 0), "Tree", "vegetation"), ((192, 128, 192), "Truck_Bus", ""), ((64, 0, 64), "Tunnel", ""),
    ((192, 192, 0), "VegetationMisc", "vegetation"), ((0, 0, 0), "Void", ""), ((64, 192, 0), "Wall", "wall"),
)  # fmt: skip

CAMVID_32_IDS: Meanings = numbered((name, counts_as) for _, name, counts_as in _COLOURS)
"""The original's classes in the order of label_colors.txt. Truck_Bus and Bicyclist are two classes of ours in one."""
CAMVID_COLOURS = tuple(colour for colour, _, _ in _COLOURS)


def camvid_meanings(split: CamvidSplit) -> Meanings:
    """The table of the edition."""
    return CAMVID_11_IDS if split.edition == "segnet-11" else CAMVID_32_IDS


def camvid_entries(split: CamvidSplit) -> Listing:
    """``SPLIT/*.png`` with ``SPLITannot/*.png`` (segnet-11), or the 701 stills with ``*_L.png`` (original-32).

    The original has no splits: ``listed`` chooses among its frames (data/lists/camvid-*.txt are SegNet's splits).
    Raises DataError where a folder is missing or holds no image.
    """
    root = expanded(split.root)
    choice = Choice(split.listed, split.take)
    if split.edition == "segnet-11":
        advice = "Set `root` to the folder CamVid that holds train/ and trainannot/; or say edition: original-32."
        images = required_folder(root, str(split.split), advice)
        labels = required_folder(root, f"{split.split}annot", advice)
        return same_names(images, labels, choice=choice)
    advice = "Set `root` to the folder that holds the two archives unpacked; or say edition: segnet-11."
    images = first_folder(root, ORIGINAL_IMAGES, advice)
    labels = first_folder(root, ORIGINAL_LABELS, advice)
    image_names = list(files_below(images, (".png",)))
    if not image_names:
        raise DataError(f"{images}: holds no image; {advice}")
    return paired(images, image_names, labels, list(files_below(labels, (LABEL_ENDING.lower(),))), NAMING, choice)


def read_camvid_colours(data: bytes) -> Image.Image:
    """The ids (positions in CAMVID_32_IDS) of a label of the original, in mode L.

    Raises DataError where the bytes are no colour image, or hold a colour that CamVid does not define.
    """
    colour_HW3 = read_colours(data)
    red_HW, green_HW, blue_HW = np.moveaxis(colour_HW3, -1, 0)
    # every published colour is a triple of 0, 64, 128, 192
    id_HW = _ID_OF_QUARTERS[(red_HW >> 6) << 4 | (green_HW >> 6) << 2 | blue_HW >> 6]
    id_HW = np.where((red_HW | green_HW | blue_HW) & 63 == 0, id_HW, 255).astype(np.uint8)
    strange = id_HW == 255
    if strange.any():
        first = tuple(int(value) for value in colour_HW3[strange][0])
        raise DataError(
            f"holds {int(strange.sum())} pixels of colours that CamVid does not define, such as {first}; is it resized"
            " or compressed? Take LabeledApproved_full as published"
        )
    return Image.fromarray(id_HW)


def _quarters() -> np.ndarray:
    table_64 = np.full(64, 255, dtype=np.uint8)
    for identity, (red, green, blue) in enumerate(CAMVID_COLOURS):
        table_64[(red >> 6) << 4 | (green >> 6) << 2 | blue >> 6] = identity
    return table_64


_ID_OF_QUARTERS = _quarters()


def _identity(name: str) -> str:
    return name.removesuffix(LABEL_ENDING) if name.endswith(LABEL_ENDING) else without_suffix(name)


def _image_of_label(name: str) -> str:
    return _identity(name) + ".png"


NAMING = Naming(_identity, _image_of_label)
