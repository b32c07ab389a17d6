"""A label as polygons for LabelMe: one for each connected region, from the outside to the inside.

LabelMe's polygons have no holes, and later ones are drawn over earlier ones. A hole of a region is filled by other
regions, whose polygons follow; so drawing all in order gives the label back, pixel by pixel.
"""

# H/W pixels, P points, 2 x and y

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np
from contourpy import FillType, contour_generator

from pipeline.common.labels import IGNORE, ClassSet

_VERSION = "5.5.0"  # of LabelMe, whose keys these are
# How far outlines are outside of the centres of their pixels. LabelMe's own filling cuts the fractions off coordinates
# and draws the outline, others take what has its centre inside: below one half, both fill the same pixels.
_MARGIN = 0.45


class Region(NamedTuple):
    """A region of pixels of one class that are neighbours by their sides."""

    class_index: int
    outline_P2: np.ndarray
    """Its outer border, in pixels from the upper left corner of the image."""


def regions_of(label_HW: np.ndarray) -> list[Region]:
    """Return all regions of a label but those of ignored pixels; one inside of another follows it."""
    classes = [int(index) for index in np.unique(label_HW) if index != IGNORE]
    regions = [Region(index, outline_P2) for index in classes for outline_P2 in _outlines(label_HW == index)]
    return sorted(regions, key=lambda region: -_area(region.outline_P2))


def _outlines(mask_HW: np.ndarray) -> list[np.ndarray]:
    lines, columns = np.flatnonzero(mask_HW.any(axis=1)), np.flatnonzero(mask_HW.any(axis=0))
    top, left = lines[0], columns[0]
    part_HW = np.pad(mask_HW[top : lines[-1] + 1, left : columns[-1] + 1], 1).astype(np.float32)
    contours = contour_generator(z=part_HW, name="serial", fill_type=FillType.OuterOffset)
    borders, offsets = cast("tuple[list[np.ndarray], list[np.ndarray]]", contours.filled(1 - _MARGIN, 2.0))
    origin_2 = np.array([left - 0.5, top - 0.5])  # the pad is one pixel, centres are at one half
    return [_corners(border_P2[: ends[1] - 1]) + origin_2 for border_P2, ends in zip(borders, offsets, strict=True)]


def _corners(border_P2: np.ndarray) -> np.ndarray:
    """Return a closed border, whose last point is not its first again, without the points within straight sides."""
    before_P2, after_P2 = border_P2 - np.roll(border_P2, 1, axis=0), np.roll(border_P2, -1, axis=0) - border_P2
    straight_P = ((before_P2 == 0) & (after_P2 == 0)).any(axis=1)
    return np.asarray(border_P2[~straight_P])


def _area(outline_P2: np.ndarray) -> float:
    x_P, y_P = outline_P2.T
    return abs(float(x_P @ np.roll(y_P, -1) - y_P @ np.roll(x_P, -1))) / 2


def labelme_of(label_HW: np.ndarray, image: Path, beside: Path, classes: ClassSet) -> dict[str, Any]:
    """Return what a LabelMe file at the path ``beside`` holds for an image: its relative path, no pixels of it."""
    return {
        "version": _VERSION,
        "flags": {},
        "shapes": [_shape(region, classes) for region in regions_of(label_HW)],
        "imagePath": Path(os.path.relpath(image, beside.parent)).as_posix(),
        "imageData": None,
        "imageHeight": label_HW.shape[0],
        "imageWidth": label_HW.shape[1],
    }


def _shape(region: Region, classes: ClassSet) -> dict[str, Any]:
    return {
        "label": classes.names[region.class_index],
        "points": region.outline_P2.round(2).tolist(),
        "group_id": None,
        "description": "",
        "shape_type": "polygon",
        "flags": {},
    }
