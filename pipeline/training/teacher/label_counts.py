"""How many pixels of each class the labels of a split have.

# N images, C class
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from pipeline.common.files import whole_file
from pipeline.datasets.loading import SplitLabels
from pipeline.datasets.parallel import in_order
from pipeline.training.distributed import barrier, rank

_THREADS = 4  # decoding and resizing release Python's lock


def label_counts(labels: SplitLabels, classes: int, path: Path) -> np.ndarray:
    """Return the pixels (N,C) of each class in each label; ignored ones count nowhere.

    Labels are read once: the counts are kept in ``path``. Of several processes that train together the first one reads.
    """
    if rank() == 0 and not path.exists():
        with whole_file(path) as temporary, temporary.open("wb") as file:
            np.save(file, _read(labels, classes))
    barrier()
    counts_NC: np.ndarray = np.load(path)
    return counts_NC


def _read(labels: SplitLabels, classes: int) -> np.ndarray:
    def counted(index: int) -> np.ndarray:
        return np.bincount(labels.label(index).ravel(), minlength=classes)[:classes]

    with ThreadPoolExecutor(_THREADS) as pool:
        return np.stack(list(in_order(pool, counted, range(len(labels)), in_flight=2 * _THREADS)))
