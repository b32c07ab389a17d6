"""Pseudo-labels: what of an image a selection trusts, and the file that hands them to other programs.

# N images, H/W pixels
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

import h5py
import numpy as np
from tqdm import tqdm

from pipeline.cache.reader import CacheReader, Pixels
from pipeline.common.files import whole_file
from pipeline.common.labels import IGNORE
from pipeline.methods import cada, cbst, lse
from pipeline.methods.cbst_spatial_prior import read_prior
from pipeline.methods.selection_file import Selection


def pseudo_label(reader: CacheReader, selection: Selection, image_id: str) -> np.ndarray:
    """The pseudo-label of a whole image at the cache's size: (H,W) uint8, IGNORE where the method does not trust it."""
    return label_pixels(reader.pixels(reader.index.number(image_id), volume=selection.method == "cbst"), selection)


def label_pixels(pixels: Pixels, selection: Selection) -> np.ndarray:
    """The same of pixels that were read (with their volume where the method is CBST)."""
    return _LABELS[selection.method](pixels, selection)


def _lse_label(pixels: Pixels, selection: Selection) -> np.ndarray:
    label_HW = pixels.label_HW.numpy()
    keep_HW = lse.keep_filter(label_HW, pixels.entropy_HW.numpy(), selection.threshold_C, selection.compat)
    return np.where(keep_HW, label_HW, IGNORE).astype(np.uint8)


def _cbst_label(pixels: Pixels, selection: Selection) -> np.ndarray:
    assert pixels.prob_CHW is not None
    prob_CHW = pixels.prob_CHW.numpy()
    if selection.prior is not None:
        prob_CHW = prob_CHW * prior_at(selection.prior, tuple(selection.class_names), prob_CHW.shape[1:])
    return cbst.pseudo_label(prob_CHW, selection.threshold_C, selection.compat)


def prior_at(path: Path, class_names: tuple[str, ...], size: tuple[int, int]) -> np.ndarray:
    """The prior at the image's size, which is that of every image of a cache; read again when the file has changed.

    Raises ReadableError for a file that is missing, or is of other classes.
    """
    try:
        state = path.stat()
    except OSError:
        return read_prior(path, class_names, size)  # says what is wrong
    return _prior_at(path, class_names, size, (state.st_mtime_ns, state.st_size))


@lru_cache(maxsize=2)  # two rounds beside each other
def _prior_at(path: Path, class_names: tuple[str, ...], size: tuple[int, int], _: tuple[int, int]) -> np.ndarray:
    return read_prior(path, class_names, size)


def _intrada_label(pixels: Pixels, selection: Selection) -> np.ndarray:
    """The plain arg-max: the easy images are trusted as they are."""
    return pixels.label_HW.numpy()


def _cada_label(pixels: Pixels, selection: Selection) -> np.ndarray:
    label_HW = pixels.label_HW.numpy()
    keep_HW = cada.keep_filter(label_HW, pixels.entropy_HW.numpy(), selection.threshold_C)
    return np.where(keep_HW, label_HW, IGNORE).astype(np.uint8)


_LABELS: dict[str, Callable[[Pixels, Selection], np.ndarray]] = {
    "lse": _lse_label,
    "cbst": _cbst_label,
    "intrada": _intrada_label,
    "cada": _cada_label,
}


def write_labels(reader: CacheReader, selection: Selection, path: Path) -> None:
    """labels.h5: the pseudo-labels of the selected images, in their order. Memory holds one image."""
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
        for place, image_id in enumerate(tqdm(selection.images, unit="image", desc="labels", disable=None)):
            labels[place] = pseudo_label(reader, selection, image_id)
