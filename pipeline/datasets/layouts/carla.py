"""The layout ``carla``: pictures of CARLA's cameras (Dosovitskiy et al., 2017), the tags raw in the red channel."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.datasets.decoding import Decoder
from pipeline.datasets.layout import Layout
from pipeline.datasets.layouts.folder import same_names
from pipeline.datasets.listing import Choice, Listing, Naming, counted, expanded, required_folder
from pipeline.datasets.meaning import Meanings, numbered

if TYPE_CHECKING:
    from pipeline.params import CarlaSplit

NAMING = Naming(counted)

_FIRST_13 = (
    ("Unlabeled", ""), ("Building", "building"), ("Fence", "fence"), ("Other", ""), ("Pedestrian", "person"),
    ("Pole", "pole"), ("RoadLine", "road"), ("Road", "road"), ("SideWalk", "sidewalk"), ("Vegetation", "vegetation"),
    ("Vehicles", "car"), ("Wall", "wall"), ("TrafficSign", "traffic sign"),
)  # fmt: skip

CARLA_IDS: dict[str, Meanings] = {
    "0.9.5": numbered(_FIRST_13),
    "0.9.10": numbered((
        *_FIRST_13, ("Sky", "sky"), ("Ground", ""), ("Bridge", ""), ("RailTrack", ""), ("GuardRail", ""),
        ("TrafficLight", "traffic light"), ("Static", ""), ("Dynamic", ""), ("Water", ""), ("Terrain", "terrain"),
    )),
    "0.9.14": numbered((
        ("Unlabeled", ""), ("Roads", "road"), ("SideWalks", "sidewalk"), ("Building", "building"), ("Wall", "wall"),
        ("Fence", "fence"), ("Pole", "pole"), ("TrafficLight", "traffic light"), ("TrafficSign", "traffic sign"),
        ("Vegetation", "vegetation"), ("Terrain", "terrain"), ("Sky", "sky"), ("Pedestrian", "person"),
        ("Rider", "rider"), ("Car", "car"), ("Truck", "truck"), ("Bus", "bus"), ("Train", "train"),
        ("Motorcycle", "motorcycle"), ("Bicycle", "bicycle"), ("Static", ""), ("Dynamic", ""), ("Other", ""),
        ("Water", ""), ("RoadLine", "road"), ("Ground", ""), ("Bridge", ""), ("RailTrack", ""), ("GuardRail", ""),
    )),
}  # fmt: skip
"""Tags by the first version of CARLA that has them. Up to 0.9.13 bicycles, lorries and cars are one tag, Vehicles."""
_RED = Decoder("red-channel", {"largest": max(max(meanings) for meanings in CARLA_IDS.values())})


def carla_entries(split: CarlaSplit) -> Listing:
    """List images below ``root/images`` with the pictures of the segmentation camera of the same names, in their order.

    Raises:
        DataError: a folder is missing or nothing is left.
    """
    root = expanded(split.root)
    images = required_folder(root, split.images, "Set `root` and `images` to the folder of the colour camera.")
    labels = required_folder(root, split.labels, "Set `labels` to the folder of the segmentation camera.")
    return same_names(images, labels, choice=Choice(split.listed, split.take), naming=NAMING)


def carla_meanings(split: CarlaSplit) -> Meanings:
    """Return the tags of the split's version of CARLA."""
    return CARLA_IDS[split.tags]


CARLA = Layout(
    "carla",
    carla_entries,
    carla_meanings,
    {f"carla-{version}": meanings for version, meanings in CARLA_IDS.items()},
    lambda _split: _RED,
)
