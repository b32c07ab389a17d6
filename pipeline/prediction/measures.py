"""What a prediction writes beside its classes: how sure the network is of each pixel, as a grey PNG."""

# C class, h/w pixels of a part, M measure

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np


def confidence(prob_Chw: np.ndarray) -> np.ndarray:
    """Return the largest probability (h,w) of each pixel, 1/C to 1."""
    largest_hw: np.ndarray = prob_Chw.max(axis=0)
    return largest_hw


def entropy(prob_Chw: np.ndarray) -> np.ndarray:
    """Return the entropy (h,w) of each pixel over ln C, 0 (sure) to 1 (every class alike)."""
    total_hw = np.zeros(prob_Chw.shape[1:], np.float32)
    for prob_hw in prob_Chw:  # class by class, so that no second stack of probabilities exists
        total_hw -= prob_hw * np.log(np.maximum(prob_hw, np.finfo(np.float32).tiny))
    return total_hw / np.float32(np.log(max(2, len(prob_Chw))))


MEASURES: dict[str, Callable[[np.ndarray], np.ndarray]] = {"confidence": confidence, "entropy": entropy}
"""By the name of the folder, below that of the predictions, in which their PNGs are written."""


class Measures(NamedTuple):
    """Which measures are written, and how finely."""

    names: tuple[str, ...] = ()
    bits: int = 8
    """8 or 16: 1 is 255 or 65535."""

    def paths(self, out: Path, name: str) -> list[Path]:
        """Return where the measures of a picture are written, in the order of their names."""
        return [out / measure / name for measure in self.names]

    @property
    def dtype(self) -> np.dtype:
        """Return the type of the files' values."""
        return np.dtype(np.uint8 if self.bits == 8 else np.uint16)

    def reduce(self, prob_Chw: np.ndarray) -> np.ndarray:
        """Return (1+M,h,w): the class of the largest probability, and each measure as grey values."""
        measures = (self.grey(MEASURES[name](prob_Chw)) for name in self.names)
        return np.stack([prob_Chw.argmax(axis=0).astype(self.dtype), *measures])

    def grey(self, measure_hw: np.ndarray) -> np.ndarray:
        """Return a measure (h,w) from 0 to 1 as whole grey values."""
        value_hw: np.ndarray = np.rint(np.clip(measure_hw, 0, 1) * ((1 << self.bits) - 1)).astype(self.dtype)
        return value_hw


CLASSES_ONLY = Measures()
