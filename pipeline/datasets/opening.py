"""Opening prepared splits by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.common.labels import ClassSet
from pipeline.datasets.entries import label_reader, label_table
from pipeline.datasets.loading import Size, SplitImages, SplitLabels
from pipeline.datasets.manifest import Manifest, manifest_path

if TYPE_CHECKING:
    from pipeline.params import AnySplit


def images_of(name: str, split: AnySplit, size: Size) -> SplitImages:
    """The images of a prepared split at its own size, or else at ``size`` = (H, W)."""
    return SplitImages(Manifest(manifest_path(name)), crop=split.crop, size=split.size or size)


def labels_of(name: str, split: AnySplit, classes: ClassSet, size: Size | None) -> SplitLabels:
    """The labels of a prepared split, resized to ``size``, or at their own resolution where it is None."""
    manifest, table = Manifest(manifest_path(name)), label_table(split, classes)
    return SplitLabels(manifest, crop=split.crop, size=size, table=table, read=label_reader(split))
