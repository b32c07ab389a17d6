"""The layout ``camvid``: CamVid (Brostow et al., 2009), the original with 32 colours or SegNet's copy with 11 ids."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.datasets.decoding import IDS, Decoder
from pipeline.datasets.layout import Layout
from pipeline.datasets.layouts.folder import same_names
from pipeline.datasets.listing import (
    IMAGE_SUFFIXES,
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
    """Return the table of the edition."""
    return CAMVID_11_IDS if split.edition == "segnet-11" else CAMVID_32_IDS


def camvid_entries(split: CamvidSplit) -> Listing:
    """List ``SPLIT/*.png`` with ``SPLITannot/*.png`` (segnet-11), or the 701 stills with ``*_L.png`` (original-32).

    The original has no splits: ``listed`` chooses among its frames (data/lists/camvid-*.txt are SegNet's splits).


    Raises:
        DataError: a folder is missing or holds no image.
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
    image_names = list(files_below(images, IMAGE_SUFFIXES))
    if not image_names:
        raise DataError(f"{images}: holds no image; {advice}")
    return paired(images, image_names, labels, list(files_below(labels, (LABEL_ENDING.lower(),))), NAMING, choice)


def _identity(name: str) -> str:
    return name.removesuffix(LABEL_ENDING) if name.endswith(LABEL_ENDING) else without_suffix(name)


def _image_of_label(name: str) -> str:
    return _identity(name) + ".png"


NAMING = Naming(_identity, _image_of_label)


def _decoder(split: CamvidSplit) -> Decoder:
    return IDS if split.edition == "segnet-11" else Decoder("colours", {"colours": [list(c) for c in CAMVID_COLOURS]})


CAMVID = Layout(
    "camvid",
    camvid_entries,
    camvid_meanings,
    {"camvid-11": CAMVID_11_IDS, "camvid-32": CAMVID_32_IDS},
    _decoder,
)
