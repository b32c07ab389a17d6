"""Predictions and scores of each image of the evaluation split: predictions.h5 and per_image.csv."""

# N images, C class, H/W pixels of the label, h/w pixels of the network's input

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, NamedTuple, Self

import h5py
import numpy as np
from PIL import Image

from pipeline.common.files import whole_file, write_text
from pipeline.common.hdf5 import open_hdf5
from pipeline.evaluation.confusion import mean_iou, pixel_accuracy

if TYPE_CHECKING:  # the report reads these files, and needs no torch for it
    from pipeline.evaluation.evaluate import Answer

PREDICTIONS, PER_IMAGE = "predictions.h5", "per_image.csv"
_ABOUT = {
    "truth": "labels resized by nearest neighbour to the network's input (N,h,w), 255 = ignored",
    "label": "predicted classes at the size of the network's input (N,h,w)",
    "entropy": "round(51 E / ln C), means of 2x2 pixels, for viewing (N,ceil(h/2),ceil(w/2))",
}
LEVELS = 51
"""Entropy planes hold 0 (certain) to 51 (undecided, ln C)."""


class ImageScore(NamedTuple):
    """A row of per_image.csv; None where nothing of the image is labelled."""

    image: str
    pixel_accuracy: float | None
    mIoU: float | None
    """Over the classes that are true or predicted in the image."""
    entropy: float
    """Mean over the pixels, nats."""


def score_image(image_id: str, confusion_CC: np.ndarray, entropy_hw: np.ndarray) -> ImageScore:
    """Return one image's row, from its own confusion."""
    accuracy, iou = pixel_accuracy(confusion_CC), mean_iou(confusion_CC)
    return ImageScore(
        image_id,
        None if math.isnan(accuracy) else accuracy,
        None if math.isnan(iou) else iou,
        float(entropy_hw.mean(dtype=np.float64)),
    )


class ClassPixels(NamedTuple):
    """Pixels of each image by class: sums over images give the IoU of any subset of the images."""

    images: list[str]
    names: list[str]
    intersection_NC: np.ndarray
    """Right pixels, int64."""
    union_NC: np.ndarray
    """Pixels that are true or predicted, int64."""


_INTERSECTION, _UNION = "intersection ", "union "
"""Beginnings of columns of per_image.csv; the class follows."""


def write_scores(
    path: Path, scores: list[ImageScore], names: Sequence[str] = (), confusions: Sequence[np.ndarray] = ()
) -> None:
    """Write per_image.csv: one row per image, empty cells where nothing is labelled.

    With a confusion (C,C) of each image, the intersection and the union of each class follow, in pixels.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    columns = [what + name for what in (_INTERSECTION, _UNION) for name in names]
    writer.writerow([*ImageScore._fields, *columns])
    counts = [_counts(confusion_CC) for confusion_CC in confusions] if names else [[]] * len(scores)
    for score, pixels in zip(scores, counts, strict=True):
        writer.writerow([*("" if value is None else value for value in score), *pixels])
    write_text(path, text.getvalue())


def _counts(confusion_CC: np.ndarray) -> list[int]:
    intersection_C = np.diag(confusion_CC)
    union_C = confusion_CC.sum(axis=0) + confusion_CC.sum(axis=1) - intersection_C
    return [*intersection_C.tolist(), *union_C.tolist()]


def read_class_pixels(path: Path) -> ClassPixels | None:
    """Return the counts of per_image.csv; None without the file, or where an earlier version has written it."""
    if not path.exists():
        return None
    with path.open(newline="", encoding="utf-8") as file:
        head, *rows = csv.reader(file)
    names = [column.removeprefix(_INTERSECTION) for column in head if column.startswith(_INTERSECTION)]
    if not names or not rows:
        return None
    first = len(ImageScore._fields)
    count_N2C = np.array([row[first:] for row in rows], dtype=np.int64)
    return ClassPixels([row[0] for row in rows], names, count_N2C[:, : len(names)], count_N2C[:, len(names) :])


def read_scores(path: Path) -> list[ImageScore]:
    """Return the rows of per_image.csv."""
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return [
        ImageScore(row["image"], _number(row["pixel_accuracy"]), _number(row["mIoU"]), float(row["entropy"]))
        for row in rows
    ]


def _number(cell: str) -> float | None:
    return float(cell) if cell else None


class PredictionsWriter:
    """Writes predictions.h5 image by image; the file gets its name only when all are written."""

    def __init__(self, path: Path, count: int, class_names: tuple[str, ...]) -> None:
        self._count, self._classes, self._ids = count, len(class_names), list[str]()
        self._stack = ExitStack()
        self._file = h5py.File(self._stack.enter_context(whole_file(path)), "w")
        self._file.attrs["class_names"] = list(class_names)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self._file.create_dataset("image_ids", data=np.array(self._ids, dtype=h5py.string_dtype()))
        self._file.close()
        self._stack.__exit__(kind, error, trace)

    def add(self, image_id: str, answer: Answer) -> None:
        """Write one image."""
        height, width = answer.seen_hw.shape
        truth = Image.fromarray(answer.truth_HW).resize((width, height), Image.Resampling.NEAREST)
        share_hw = answer.entropy_hw / math.log(self._classes)
        self._put("truth", np.asarray(truth))
        self._put("label", answer.seen_hw)
        self._put("entropy", (LEVELS * halved(share_hw)).round().astype(np.uint8))
        self._ids.append(image_id)

    def _put(self, name: str, plane: np.ndarray) -> None:
        if name not in self._file:
            shape = (self._count, *plane.shape)
            packed = {"chunks": (1, *plane.shape), "compression": "gzip", "compression_opts": 4}
            self._file.create_dataset(name, shape, np.uint8, **packed).attrs["about"] = _ABOUT[name]
        self._file[name][len(self._ids)] = plane


def halved(plane_hw: np.ndarray) -> np.ndarray:
    """Return means of 2x2 pixels; an odd edge is repeated."""
    height, width = plane_hw.shape
    even_hw = np.pad(plane_hw, ((0, height % 2), (0, width % 2)), mode="edge")
    blocks: np.ndarray = even_hw.reshape(even_hw.shape[0] // 2, 2, even_hw.shape[1] // 2, 2).mean(axis=(1, 3))
    return blocks


def doubled(plane_hw: np.ndarray, size: tuple[int, ...]) -> np.ndarray:
    """Return a halved plane at its size (h,w) before: each value for 2x2 pixels."""
    return plane_hw.repeat(2, axis=0).repeat(2, axis=1)[: size[0], : size[1]]


class Seen(NamedTuple):
    """One image of predictions.h5."""

    truth_hw: np.ndarray
    label_hw: np.ndarray
    entropy_share_hw: np.ndarray
    """E / ln C in [0,1], at half the size."""


class PredictionsReader:
    """Reads predictions.h5, image by image."""

    def __init__(self, path: Path) -> None:
        self._file = open_hdf5(path)
        self._number = {image_id: number for number, image_id in enumerate(self._file["image_ids"].asstr()[:])}

    @property
    def image_ids(self) -> list[str]:
        """Return the ids of all images, in the order of the file."""
        return list(self._number)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def image(self, image_id: str) -> Seen:
        """Return one image.

        Raises:
            KeyError: the file has no image of this id.
        """
        number = self._number[image_id]
        return Seen(
            self._file["truth"][number],
            self._file["label"][number],
            self._file["entropy"][number].astype(np.float32) / LEVELS,
        )
