"""patches.h5: the windows a round trains on, with their pseudo-labels.

# N patches, H/W pixels of a label (a zoomed window), h/w pixels of a window before zooming
"""

from __future__ import annotations

import os
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

import h5py
import numpy as np

from pipeline.common.box import Box
from pipeline.common.files import whole_file
from pipeline.common.hdf5 import open_hdf5

PATCHES, HARD = "patches.h5", "hard.h5"
"""Names of the files: what a round learns from, and the unlabelled images that an alignment looks at."""

_VERSION = 1
_ABOUT = {
    "images": "windows of target images before zooming (N,h,w,3), RGB",
    "labels": "pseudo-labels of the zoomed windows (N,H,W), 255 = ignored",
    "image_ids": "image each window was cut from (N)",
    "boxes": "top, left, height, width of each window in its image (N,4)",
}


class PatchWriter:
    """Adds patches one by one; the file takes its name only when all are written. Memory holds one patch."""

    def __init__(self, path: Path, class_names: tuple[str, ...], selection: str = "") -> None:
        """``selection``: fingerprint of the selection whose images they are cut from."""
        self.count = 0
        self._stack = ExitStack()
        self._file = h5py.File(self._stack.enter_context(whole_file(path)), "w")
        self._file.attrs["roundabout_patches_version"] = _VERSION
        self._file.attrs["class_names"] = list(class_names)
        self._file.attrs["selection"] = selection

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
        self._stack.__exit__(kind, error, trace)

    def add(self, image_id: str, box: Box, window_hw3: np.ndarray, label_HW: np.ndarray) -> None:
        """Append one patch."""
        for name, value in (("images", window_hw3), ("labels", label_HW)):
            self._append(name, value, compress=True)
        self._append("image_ids", np.array(image_id, dtype=h5py.string_dtype()), compress=False)
        self._append("boxes", np.array(box, dtype=np.int32), compress=False)
        self.count += 1

    def _append(self, name: str, value: np.ndarray, *, compress: bool) -> None:
        if name not in self._file:
            chunk = (1, *value.shape) if compress else (1024, *value.shape)
            options = {"compression": "gzip", "compression_opts": 1} if compress else {}
            dataset = self._file.create_dataset(
                name, (0, *value.shape), value.dtype, maxshape=(None, *value.shape), chunks=chunk, **options
            )
            dataset.attrs["about"] = _ABOUT[name]
        dataset = self._file[name]
        dataset.resize(self.count + 1, axis=0)
        dataset[self.count] = value if value.ndim else value.item()


class PatchFile:
    """Reads single patches; opened on first use and per process."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._open: tuple[int, h5py.File] | None = None
        with open_hdf5(path) as file:
            self._count = len(file["labels"]) if "labels" in file else 0
            self.selection = str(file.attrs.get("selection", ""))
            """Fingerprint of the selection that they are of; empty in older files."""

    def __len__(self) -> int:
        return self._count

    def id(self, number: int) -> str:
        """Return the id of the image that a patch was cut from."""
        return str(self._file()["image_ids"].asstr()[number])

    def places(self) -> list[tuple[str, Box]]:
        """Return the image and the window of every patch."""
        if not self._count:
            return []
        ids, boxes = self._file()["image_ids"].asstr()[:], self._file()["boxes"][:]
        return [(str(image_id), Box(*map(int, box))) for image_id, box in zip(ids, boxes, strict=True)]

    def image(self, number: int) -> np.ndarray:
        """Return the window before zooming, (h,w,3) uint8."""
        window_hw3: np.ndarray = self._file()["images"][number]
        return window_hw3

    def label(self, number: int) -> np.ndarray:
        """Return the pseudo-label of the zoomed window, (H,W) uint8, 255 = ignored."""
        label_HW: np.ndarray = self._file()["labels"][number]
        return label_HW

    def _file(self) -> h5py.File:
        if self._open is None or self._open[0] != os.getpid():
            self._open = (os.getpid(), open_hdf5(self.path))
        return self._open[1]
