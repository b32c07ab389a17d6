"""The layout ``gta5``: Playing for Data (Richter et al., ECCV 2016), its ten pairs of archives unpacked."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.datasets.folder import same_names
from pipeline.datasets.listing import Choice, Listing, required_folder

if TYPE_CHECKING:
    from pipeline.params import Gta5Split

MISMATCHED = frozenset({"15188", "17705"})
"""Published pairs whose label has another size than the image; resizing both would train on shifted labels."""


def gta5_entries(split: Gta5Split) -> Listing:
    """``images/*.png`` with the labels of the same names, sorted by id; ``take`` counts them as published.

    The two pairs in MISMATCHED are left out. Raises DataError where a folder is missing or nothing is left.
    """
    root = Path(split.root).expanduser()
    advice = "Set `root` to the folder that holds images/ and labels/ as the archives unpack them."
    images = required_folder(root, "images", advice)
    labels = required_folder(root, "labels", advice)
    found = same_names(images, labels, endings=(".png",), choice=Choice(split.listed, split.take))
    return Listing((entry for entry in found if entry.id not in MISMATCHED), found.__length_hint__())
