"""The layout ``synscapes``: Synscapes (Wrenninge and Unger, 2018), its archive unpacked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.datasets.layout import Layout
from pipeline.datasets.layouts.folder import same_names
from pipeline.datasets.listing import Choice, Listing, Naming, counted, expanded, required_folder
from pipeline.datasets.meaning import CITYSCAPES_IDS, TRAIN_IDS, Meanings

if TYPE_CHECKING:
    from pipeline.params import SynscapesSplit

NAMING = Naming(counted)


def synscapes_entries(split: SynscapesSplit) -> Listing:
    """List ``img/rgb/1.png`` (or ``img/rgb-2k``) with ``img/class/1.png``, in the order of their numbers, the ids.

    Raises:
        DataError: a folder is missing or nothing is left.
    """
    root = expanded(split.root)
    advice = "Set `root` to the folder Synscapes, which holds img/ as the archive unpacks it."
    images = required_folder(root, f"img/{split.images}", advice)
    labels = required_folder(root, "img/class", advice)
    return same_names(images, labels, choice=Choice(split.listed, split.take), naming=NAMING)


def synscapes_meanings(split: SynscapesSplit) -> Meanings:
    """Return Cityscapes' label ids, or the 19 train ids that a converter left under the published names."""
    return CITYSCAPES_IDS if split.label_ids == "cityscapes" else TRAIN_IDS


SYNSCAPES = Layout("synscapes", synscapes_entries, synscapes_meanings, {"synscapes": CITYSCAPES_IDS})
