"""How many pixels of each class the labels of the split have that a run learns from.

# N images, C class
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pipeline.common.files import whole_file
from pipeline.datasets.loading import SplitLabels
from pipeline.datasets.opening import labels_of
from pipeline.datasets.parallel import in_order
from pipeline.training.distributed import barrier, rank
from pipeline.translation.source import labelled_images

if TYPE_CHECKING:
    from pipeline.training.run import RunSettings

SOURCE_COUNTS = "source-classes.npy"
"""In the run's working folder."""
_THREADS = 4  # decoding and resizing release Python's lock


def source_counts(run: RunSettings, folder: Path) -> np.ndarray:
    """Return the pixels (N,C) of each class in each label at the network's size; ignored ones count nowhere.

    Labels are read once: the counts are kept in ``folder``. Of several processes the first one reads.
    """
    path = folder / SOURCE_COUNTS
    if rank() == 0 and not path.exists():
        images, _ = labelled_images(run.labelled, run.size)
        labels = labels_of(run.labelled, run.classes, images.size)
        with whole_file(path) as temporary, temporary.open("wb") as file:
            np.save(file, _read(labels, len(run.classes)))
    barrier()
    counts_NC: np.ndarray = np.load(path)
    return counts_NC


def _read(labels: SplitLabels, classes: int) -> np.ndarray:
    def counted(index: int) -> np.ndarray:
        return np.bincount(labels.label(index).ravel(), minlength=classes)[:classes]

    with ThreadPoolExecutor(_THREADS) as pool:
        return np.stack(list(in_order(pool, counted, range(len(labels)), in_flight=2 * _THREADS)))
