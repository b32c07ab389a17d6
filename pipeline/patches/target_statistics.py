"""target.h5: what a cache knows of the target's images, for a teacher that will label them anew.

# N images, C class, B bins of confidence
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import h5py
import numpy as np

from pipeline.cache.bins import confidence_edges
from pipeline.common.files import whole_file
from pipeline.common.hdf5 import open_hdf5

if TYPE_CHECKING:
    from pipeline.cache.index import CacheIndex

TARGET = "target.h5"
QUOTA_BINS = 1000
"""Bins of confidence: a teacher's thresholds are multiples of 0.001."""


class TargetStatistics(NamedTuple):
    """Predictions of the network with which a round begins."""

    image_ids: list[str]
    pixel_count_NC: np.ndarray
    """Pixels of each image that are predicted as each class."""
    confidence_count_CB: np.ndarray
    """Pixels of all images by predicted class and confidence, in equal bins from 0 to 1."""


def quota_counts(index: CacheIndex) -> np.ndarray:
    """Return the pixels of all images by predicted class and confidence, (C,B) in QUOTA_BINS equal bins."""
    bin_of_edge = np.minimum((confidence_edges() * QUOTA_BINS).astype(np.int64), QUOTA_BINS - 1)
    counts_CB = np.zeros((index.spec.classes, QUOTA_BINS), np.int64)
    np.add.at(counts_CB.T, bin_of_edge, index.histogram("confidence").T)
    return counts_CB


def write_target_statistics(index: CacheIndex, path: Path) -> None:
    """Write the statistics of a whole cache."""
    with whole_file(path) as temporary, h5py.File(temporary, "w") as file:
        file.attrs["class_names"] = list(index.spec.class_names)
        file.create_dataset("image_ids", data=np.array(index.image_ids, dtype=h5py.string_dtype()))
        counts = file.create_dataset("pixel_count", data=index.statistic("pixel_count"), compression="gzip")
        counts.attrs["about"] = "pixels of each image predicted as each class (N,C)"
        histogram = file.create_dataset("confidence_count", data=quota_counts(index), compression="gzip")
        histogram.attrs["about"] = "pixels of all images by predicted class and confidence, equal bins of [0,1] (C,B)"


def read_target_statistics(path: Path) -> TargetStatistics:
    """Read the file."""
    with open_hdf5(path) as file:
        ids = [str(image_id) for image_id in file["image_ids"].asstr()[:]]
        return TargetStatistics(ids, file["pixel_count"][:], file["confidence_count"][:])
