"""Full-size probabilities, labels and entropies out of a cache.

# V views, C class, H/W pixels, h/w network resolution
"""

from __future__ import annotations

import os
from pathlib import Path

import h5py
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from pipeline.cache.index import CacheIndex
from pipeline.cache.parts import open_part
from pipeline.cache.schema import LABEL, LOGITS, CacheError


class CacheReader:
    """Reads single images. Files are opened on first use and per process, so it may travel to workers."""

    def __init__(self, folder: Path) -> None:
        self.index = CacheIndex(folder)
        self.spec = self.index.spec
        self._open: tuple[int, int, h5py.File] | None = None  # process, part, file

    def __getstate__(self) -> dict[str, object]:
        return {**self.__dict__, "_open": None}

    def __len__(self) -> int:
        return len(self.index)

    @property
    def image_ids(self) -> list[str]:
        return self.index.image_ids

    def logits(self, number: int) -> Tensor:
        """Full-size logits (C,H,W) float32, exactly what the network answered."""
        logits_VChw = torch.from_numpy(self._read(LOGITS, number))
        if self.spec.upsample_mode == "none":
            return logits_VChw[0]
        return functional.interpolate(
            logits_VChw[:1], self.spec.size, mode=self.spec.upsample_mode, align_corners=self.spec.align_corners
        )[0]

    def probability(self, number: int) -> Tensor:
        """Full-size probabilities (C,H,W) float32, summing to 1 over C."""
        return torch.softmax(self.logits(number), dim=0)

    def label(self, number: int) -> np.ndarray:
        """The class with the largest probability, (H,W) uint8."""
        return self._read(LABEL, number)

    def _read(self, name: str, number: int) -> np.ndarray:
        file, row = self._part(number)
        try:
            values: np.ndarray = file[name][row]
        except OSError as error:
            raise CacheError(f"{file.filename}: {name} of image {row} is damaged ({error}); dump again") from None
        return values

    def _part(self, number: int) -> tuple[h5py.File, int]:
        part, row = self.index.places[number]
        if self._open is None or self._open[:2] != (os.getpid(), part):
            self._open = (os.getpid(), part, open_part(self.index.paths[part]))
        return self._open[2], row
