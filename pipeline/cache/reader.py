"""Reading full-size probabilities, labels and entropies of an image, or of any window, from a cache."""

# C class, H/W pixels of the window, h/w network resolution

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import h5py
import numpy as np
import torch
from torch import Tensor

from pipeline.cache.codec import CONFIDENCE_OF_CODE, decode_probabilities
from pipeline.cache.index import CacheIndex, read_values
from pipeline.cache.kernels import PlanesHW, empty_planes, measure_probabilities
from pipeline.cache.parts import open_part
from pipeline.cache.reconstruct import Source, reconstruct, reconstruct_on_device, source_of
from pipeline.cache.schema import CONFIDENCE, ENTROPY, LABEL, LOGITS, ROOTS, VOLUMES, View
from pipeline.cache.statistics import planes_of_probabilities
from pipeline.common.box import Box


class Pixels(NamedTuple):
    """Values of each pixel of a window, on the requested device."""

    prob_CHW: Tensor | None
    """float32, summing to 1 over C; None if only planes were requested."""
    label_HW: Tensor
    """The class with the largest probability, uint8."""
    confidence_HW: Tensor
    """The largest probability, float32."""
    entropy_HW: Tensor
    """In nats, float32."""


class CacheReader:
    """Reads images and windows. Files and threads are opened on first use and per process: workers may receive it.

    On the CPU the probabilities of the profile ``logits`` are the network's own, to the bit of torch's softmax; on a
    GPU they are within rounding of them. Of the profile ``probabilities``, labels are exact, confidences within 1.8e-4
    in log-odds, and the other probabilities mostly within 5e-3.
    """

    def __init__(self, folder: Path, threads: int | None = None, index: CacheIndex | None = None) -> None:
        self.index = index or CacheIndex(folder)
        self.spec = self.index.spec
        self._threads = threads or torch.get_num_threads()
        self._open: tuple[int, int, h5py.File] | None = None  # process, part, file
        self._pool: tuple[int, ThreadPoolExecutor] | None = None  # process, pool

    def __getstate__(self) -> dict[str, object]:
        return {**self.__dict__, "_open": None, "_pool": None}

    def __len__(self) -> int:
        return len(self.index)

    @property
    def image_ids(self) -> list[str]:
        """Ids of all images, in the order of their positions."""
        return self.index.image_ids

    def pixels(
        self, number: int, box: Box | None = None, *, device: torch.device | str = "cpu", volume: bool = True
    ) -> Pixels:
        """Return all values of an image, or of a window of it; without ``volume`` the probabilities are not kept.

        Only what the window needs is read.

        Raises:
            CacheError: the data are damaged.
            ValueError: the window is not inside the image.
        """
        box = self._checked(box)
        device = torch.device(device)
        if device.type != "cpu":
            pixels = self._pixels_on(device, number, box)
            return pixels if volume else pixels._replace(prob_CHW=None)
        prob_CHW, planes = self._compute(number, box, volume)
        tensors = [torch.from_numpy(plane) for plane in planes]
        return Pixels(None if prob_CHW is None else torch.from_numpy(prob_CHW), *tensors)

    def probability(self, number: int, box: Box | None = None, *, device: torch.device | str = "cpu") -> Tensor:
        """Return probabilities (C,H,W) float32, summing to 1 over C."""
        prob_CHW = self.pixels(number, box, device=device).prob_CHW
        assert prob_CHW is not None
        return prob_CHW

    def label(self, number: int, box: Box | None = None) -> np.ndarray:
        """Return the class with the largest probability, (H,W) uint8, as stored."""
        return self._plane(LABEL, number, box)

    def entropy_byte(self, number: int, box: Box | None = None) -> np.ndarray:
        """Return 5 · round(51 · E / ln C), (H,W) uint8, as stored, for viewing; ``pixels`` has the entropy."""
        return self._plane(ENTROPY, number, box)

    def confidence_code(self, number: int, box: Box | None = None) -> np.ndarray:
        """Return each confidence as index of codec.CONFIDENCE_OF_CODE, (H,W) uint16; only in profile probabilities."""
        return self._plane(CONFIDENCE, number, box)

    def _plane(self, name: str, number: int, box: Box | None) -> np.ndarray:
        box = self._checked(box)
        rows, columns = slice(box.top, box.top + box.height), slice(box.left, box.left + box.width)
        return self._read(name, number, rows, columns)

    def _checked(self, box: Box | None) -> Box:
        """Return the window, by default the whole image; raise ValueError if it is not inside the image."""
        box = box or Box(0, 0, *self.spec.size)
        if not box.lies_in(self.spec.size):
            raise ValueError(f"{box} is not inside an image of {self.spec.size[0]}x{self.spec.size[1]}")
        return box

    def _compute(self, number: int, box: Box, volume: bool) -> tuple[np.ndarray | None, PlanesHW]:
        planes = empty_planes((box.height, box.width))
        if self.spec.profile != "logits":
            volume_CHW = self._decoded(number, box)
            measure_probabilities(volume_CHW, planes=planes)
            return volume_CHW if volume else None, planes
        prob_CHW = np.empty((self.spec.classes, box.height, box.width), np.float32) if volume else None
        pool = self._workers() if self._threads > 1 else None
        reconstruct(self._views(number, box), pool, prob_CHW=prob_CHW, planes=planes)
        return prob_CHW, planes

    def _decoded(self, number: int, box: Box) -> np.ndarray:
        rows, columns = slice(box.top, box.top + box.height), slice(box.left, box.left + box.width)
        if self.spec.profile == "float32":
            return np.ascontiguousarray(self._read(VOLUMES, number, slice(None), rows, columns))
        roots_CHW = self._read(ROOTS, number, slice(None), rows, columns)
        confidence_HW = CONFIDENCE_OF_CODE[self._plane(CONFIDENCE, number, box)]
        prob_CHW = np.empty(roots_CHW.shape, np.float32)
        decode_probabilities(roots_CHW, self._plane(LABEL, number, box), confidence_HW, prob_CHW)
        return prob_CHW

    def _views(self, number: int, box: Box) -> list[tuple[View, np.ndarray, Source]]:
        file, _ = self._part(number)
        views = []
        for view in self.spec.views:
            name = f"{LOGITS}/{view.name}"
            low_size = (file[name].shape[2], file[name].shape[3])
            source = source_of(low_size, self.spec.size, self.spec.align_corners, box, view.flip)
            views.append((view, self._read(name, number, slice(None), *_slices(source)), source))
        return views

    def _pixels_on(self, device: torch.device, number: int, box: Box) -> Pixels:
        if self.spec.profile != "logits":
            prob_CHW = torch.from_numpy(self._decoded(number, box)).to(device)
        else:
            prob_CHW = reconstruct_on_device(self._views(number, box), device)
        label_NHW, confidence_NHW, entropy_NHW = planes_of_probabilities(prob_CHW[None])
        return Pixels(prob_CHW, label_NHW[0].to(torch.uint8), confidence_NHW[0], entropy_NHW[0])

    def _read(self, name: str, number: int, *window: slice) -> np.ndarray:
        file, row = self._part(number)
        return read_values(file, name, (row, *window))

    def _part(self, number: int) -> tuple[h5py.File, int]:
        part, row = self.index.places[number]
        if self._open is None or self._open[:2] != (os.getpid(), part):
            self._open = (os.getpid(), part, open_part(self.index.paths[part]))
        return self._open[2], row

    def _workers(self) -> ThreadPoolExecutor:
        if self._pool is None or self._pool[0] != os.getpid():
            self._pool = (os.getpid(), ThreadPoolExecutor(self._threads, "reconstruct"))
        return self._pool[1]


def _slices(source: Source) -> tuple[slice, slice]:
    return slice(*source.row_range), slice(*source.column_range)
