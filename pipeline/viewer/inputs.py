"""The images of the target and of the evaluation split, and the target's labels where it has some.

Labels are opened here for display only; no stage reads anything of them from here.
"""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from pipeline.cache.schema import CacheSpec
from pipeline.common.errors import ReadableError
from pipeline.common.labels import ClassSet, class_set
from pipeline.common.own_classes import FOLDER
from pipeline.datasets.loading import SplitImages, SplitLabels
from pipeline.datasets.manifest import manifest_path
from pipeline.datasets.opening import images_of, labels_of
from pipeline.datasets.problems import DataError
from pipeline.params import read_params

if TYPE_CHECKING:
    from pipeline.params import Params

PARAMS = Path("params.yaml")


class Inputs:
    """params.yaml and the prepared target, opened again when their files change."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._stamp: object = None
        self.params: Params | None = None
        self.problems: dict[str, str] = {}
        """Why a split has no images; only of splits that have none."""
        self._images: dict[str, SplitImages] = {}
        self._labels: SplitLabels | None = None
        self._no_labels = ""
        self.classes: ClassSet | None = None
        """What params.yaml names, with their colours."""
        self.refresh()

    @property
    def stamp(self) -> str:
        """A text that changes with params.yaml and the manifests."""
        return str(self._stamp)

    def refresh(self) -> None:
        """Open again what has changed."""
        splits = ("target", "target-labelled", "evaluation")
        read = (PARAMS, *sorted(FOLDER.glob("*")), *map(manifest_path, splits))
        stamp = tuple(_changed(path) for path in read)
        with self._lock:
            if stamp != self._stamp:
                self._stamp, self._images, self.problems = stamp, {}, {}
                self.params = self.classes = self._labels = None
                self._no_labels = "The target has no labels."
                for split in ("target", "evaluation"):
                    try:
                        self._open(split)
                    except ReadableError as error:
                        self.problems[split] = str(error)

    def _open(self, split: str) -> None:
        if self.params is None:
            self.params = read_params(PARAMS)
            self.classes = class_set(self.params.classes)
        self._images[split] = images_of(split, self.params.data.size)
        if split == "target":
            self._open_labels(self._images[split].size)

    def _open_labels(self, size: tuple[int, int]) -> None:
        if self.classes is not None and manifest_path("target-labelled").exists():
            try:
                self._labels = labels_of("target-labelled", self.classes, size)
            except DataError as error:  # prepared for other classes: the images can be seen all the same
                self._no_labels = str(error)

    def labels_problem(self, spec: CacheSpec) -> str:
        """Return why there are no labels for a cache; empty where there are."""
        if self._labels is None or self.classes is None:
            return self._no_labels
        if self.classes.names != spec.class_names:
            return f"The labels are of the classes that {PARAMS} names; the cache has others."
        return ""

    def image(self, image_id: str, size: tuple[int, int], split: str = "target") -> np.ndarray:
        """Return an image (H,W,3) uint8 of a split at the size of the predictions.

        Raises:
            ReadableError: if there is no such image.
        """
        images = self._images.get(split)
        if images is None:
            raise ReadableError(self.problems.get(split) or f"there are no prepared images of the {split}")
        image_HW3 = images.image(images.manifest.index_of(image_id))
        if image_HW3.shape[:2] != size:
            image_HW3 = np.asarray(Image.fromarray(image_HW3).resize((size[1], size[0]), Image.Resampling.BICUBIC))
        return image_HW3

    def label(self, image_id: str, spec: CacheSpec) -> np.ndarray | None:
        """Return the label (H,W) uint8, 255 = ignored, at the cache's size; None without one in the cache's classes."""
        if self._labels is None or self.labels_problem(spec):
            return None
        try:
            label_HW = self._labels.label(self._labels.manifest.index_of(image_id))
        except DataError:
            return None
        height, width = spec.size
        if label_HW.shape != spec.size:
            label_HW = np.asarray(Image.fromarray(label_HW).resize((width, height), Image.Resampling.NEAREST))
        return label_HW


def _changed(path: Path) -> tuple[int, int] | None:
    try:
        state = path.stat()
    except OSError:
        return None
    return state.st_mtime_ns, state.st_size
