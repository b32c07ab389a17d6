"""One run on the evaluation split: predictions.h5 and per_image.csv as they are now."""

# N images, C class, H/W pixels

from __future__ import annotations

import threading
from typing import NamedTuple

import h5py
import numpy as np

from pipeline.common.errors import ReadableError
from pipeline.common.files import fingerprint
from pipeline.common.hdf5 import open_hdf5
from pipeline.common.labels import ClassSet, classes_named
from pipeline.evaluation.images import (
    LEVELS,
    PER_IMAGE,
    PREDICTIONS,
    ClassPixels,
    ImageScore,
    doubled,
    read_class_pixels,
    read_scores,
)
from pipeline.viewer.files import RUNS, listing
from pipeline.viewer.inputs import Inputs
from pipeline.viewer.run_view import RunView


class Scores(NamedTuple):
    """per_image.csv."""

    images: list[ImageScore]
    pixels: ClassPixels | None
    """None where an earlier version wrote the file."""


class _Opened(NamedTuple):
    """predictions.h5, replaced as a whole: a request sees all of the old file or all of the new one."""

    file: h5py.File
    image_ids: list[str]
    positions: dict[str, int]
    class_names: tuple[str, ...]
    size: tuple[int, int]


class EvaluationView:
    """What a run's network predicted on the labelled images of the evaluation split."""

    split = "evaluation"

    def __init__(self, run: RunView) -> None:
        self.run = run
        self.problems: list[str] = []
        self._opened: _Opened | None = None
        self._scores: Scores | None = None
        self._seen: object = None
        self._lock = threading.RLock()

    def refresh(self) -> None:
        """Open again what has changed; the run itself must be fresh."""
        folder = RUNS / self.name
        seen = (listing(folder, PREDICTIONS), listing(folder, PER_IMAGE), self.run.evaluation_outdated, self.run.kind)
        with self._lock:
            if seen != self._seen:
                self.problems, self._scores = [], None
                self._opened = self._open()
                self._seen = seen

    def _open(self) -> _Opened | None:
        path, again = RUNS / self.name / PREDICTIONS, f"`dvc repro {_stage(self.run)}`"
        if not path.exists():
            self.problems.append(f"{self.name} has no predictions of the evaluation split yet; {again} writes them.")
            return None
        if self.run.evaluation_outdated:
            self.problems.append(f"{path}: is of the cache or selection before this one; {again} writes it anew")
            return None
        try:
            file = open_hdf5(path)
            ids = list(file["image_ids"].asstr()[:])
            names = tuple(map(str, file.attrs["class_names"]))
            height, width = file["label"].shape[1:]
            return _Opened(file, ids, {image_id: row for row, image_id in enumerate(ids)}, names, (height, width))
        except (OSError, KeyError, ValueError) as error:
            self.problems.append(f"{path}: cannot be read ({error}); run `dvc repro -f {_stage(self.run)}`")
            return None

    @property
    def name(self) -> str:
        """The run."""
        return self.run.name

    @property
    def network(self) -> str:
        """The run itself: its model.pt predicted."""
        return self.run.name

    @property
    def stamp(self) -> str:
        """A text that changes with the run's files."""
        return fingerprint(seen=self._seen)[:10]

    @property
    def has_images(self) -> bool:
        """Whether there are predictions of the present network."""
        return self._opened is not None

    @property
    def image_ids(self) -> list[str]:
        """All images of the split."""
        return self._require().image_ids

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the network's input, in which predictions are stored."""
        return self._require().size

    @property
    def classes(self) -> ClassSet:
        """Names and colours: params.yaml's where it names the same classes."""
        names, chosen = self._require().class_names, self.run.chosen_classes
        return chosen if chosen is not None and chosen.names == names else classes_named("predictions", names)

    @property
    def scores(self) -> Scores:
        """per_image.csv, read when it is first needed.

        Raises:
            ReadableError: if it is missing or damaged, or there are no predictions.
        """
        self._require()
        with self._lock:
            if self._scores is None:
                path = RUNS / self.name / PER_IMAGE
                try:
                    self._scores = Scores(read_scores(path), read_class_pixels(path))
                except (OSError, ValueError, KeyError, TypeError) as error:
                    raise ReadableError(
                        f"{path}: cannot be read ({error}); run `dvc repro -f {_stage(self.run)}`"
                    ) from None
            return self._scores

    def number(self, image_id: str) -> int:
        """Return the position of an image.

        Raises:
            ReadableError: if it is not there.
        """
        position = self._require().positions.get(image_id)
        if position is None:
            raise ReadableError(f"{RUNS / self.name / PREDICTIONS}: has no image {image_id!r}")
        return position

    def label(self, image_id: str) -> np.ndarray:
        """Return the predicted class of each pixel, (H,W) uint8."""
        return self._plane("label", image_id)

    def entropy_byte(self, image_id: str) -> np.ndarray:
        """Return the entropy, (H,W) uint8: 255 is ln C. It is stored as means of 2x2 pixels, in 52 levels."""
        return doubled(self._plane("entropy", image_id) * np.uint8(255 // LEVELS), self.size)

    def truth(self, image_id: str, inputs: Inputs | None = None) -> np.ndarray:
        """Return the label (H,W) uint8, 255 = ignored, as it was evaluated with, at the size of the predictions."""
        return self._plane("truth", image_id)

    def no_truth(self, inputs: Inputs) -> str:
        """Return an empty text: every image of the split is labelled."""
        return ""

    def pseudo_label(self, image_id: str) -> np.ndarray:
        """Raise ReadableError: pseudo-labels are of the target."""
        raise ReadableError(f"{self.name}: images of the evaluation split have no pseudo-labels; choose the target")

    def _plane(self, name: str, image_id: str) -> np.ndarray:
        number, opened = self.number(image_id), self._require()
        plane_HW: np.ndarray = opened.file[name][number]
        return plane_HW

    def _require(self) -> _Opened:
        opened = self._opened
        if opened is None:
            raise ReadableError(self.problems[0] if self.problems else f"{self.name} has no predictions")
        return opened


def _stage(run: RunView) -> str:
    return f"evaluate{'-initial' if run.kind in ('initial', 'oracle') else ''}@{run.name}"
