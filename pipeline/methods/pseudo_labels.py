"""Pseudo-labels: what of an image a selection trusts, and the file that hands them to other programs.

# N images, H/W pixels
"""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
from tqdm import tqdm

from pipeline.cache.reader import CacheReader, Pixels
from pipeline.common.files import whole_file
from pipeline.methods.registry import method_named
from pipeline.methods.selection_file import Selection


def pseudo_label(reader: CacheReader, selection: Selection, image_id: str) -> np.ndarray:
    """Return the pseudo-label of a whole image at the cache's size: (H,W) uint8, IGNORE where it is not trusted."""
    number = reader.index.number(image_id)
    return label_pixels(reader.pixels(number, volume=method_named(selection.method).needs_volume), selection)


def label_pixels(pixels: Pixels, selection: Selection) -> np.ndarray:
    """Return the same of pixels that were read, with their volume where the method needs it."""
    return method_named(selection.method).label(pixels, selection)


def write_labels(reader: CacheReader, selection: Selection, path: Path) -> None:
    """Write labels.h5: the pseudo-labels of the selected images, in their order. Memory holds one image."""
    height, width = reader.spec.size
    with whole_file(path) as temporary, h5py.File(temporary, "w") as file:
        file.attrs["method"], file.attrs["compat"] = selection.method, selection.compat
        file.attrs["class_names"] = selection.class_names
        file.create_dataset("image_ids", data=np.array(selection.images, dtype=h5py.string_dtype()))
        packed = {"chunks": (1, height, width), "compression": "gzip", "compression_opts": 1}
        labels = file.create_dataset(
            "labels", (len(selection.images), height, width), np.uint8, **(packed if selection.images else {})
        )
        labels.attrs["about"] = "pseudo-labels of the selected images (N,H,W), 255 = ignored"
        for number, image_id in enumerate(tqdm(selection.images, unit="image", desc="labels", disable=None)):
            labels[number] = pseudo_label(reader, selection, image_id)
