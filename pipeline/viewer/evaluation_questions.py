"""What the page asks of a run's predictions on labelled images: the split ``evaluation``."""

# N images, C class, H/W pixels

from __future__ import annotations

import csv
import math
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from pipeline.common.box import Box
from pipeline.common.errors import ReadableError
from pipeline.common.labels import IGNORE
from pipeline.evaluation.confusion import confusion_matrix, intersection_over_union
from pipeline.evaluation.images import PER_IMAGE, ClassPixels
from pipeline.viewer.background import Measurements, MeasurementSets
from pipeline.viewer.evaluation_view import EvaluationView
from pipeline.viewer.files import RUNS
from pipeline.viewer.sorting import ENTROPY, Order, Values, class_index, measured_words
from pipeline.viewer.source import classes_differ

_MOST_CONFUSED = 3
_WRONG, _WORSE, _BETTER = "with errors", "worse", "better"
ORDERS = {
    "error": Order(
        "wrong pixels",
        True,
        True,
        "percent",
        "of all labelled pixels; of a class: those that only the label or only the prediction gives to it",
        (_WRONG,),
    ),
    "confusion": Order(
        "confusion",
        True,
        True,
        "percent",
        "of all labelled pixels: those labelled as the first class and predicted as the second",
        (_WRONG,),
        pairs=True,
    ),
    "change": Order(
        "change of the wrong pixels",
        True,
        True,
        "points",
        "wrong pixels here minus those of the run that is compared with, else of the run before: above 0 is worse",
        (_WORSE, _BETTER),
    ),
    "iou": Order(
        "mIoU of the image", False, True, "percent", "overlap / union of label and prediction, mean over classes"
    ),
    "entropy": Order("mean entropy", True, False, "percent", ENTROPY),
    "order": Order("order in the split", False, False, "rank", "as the evaluation's list has them"),
}


class _Confused(NamedTuple):
    """The wrong pixels of an image by pair of classes, without the pairs that it does not have."""

    pair: np.ndarray
    """label * C + prediction"""
    pixels: np.ndarray
    labelled: int


class EvaluationQuestions:
    """Reads what the page shows of a run's images in the evaluation split; writes nothing."""

    orders = ORDERS

    def __init__(self, measured: MeasurementSets) -> None:
        self._measured = measured

    def described(self, view: EvaluationView) -> dict[str, Any]:
        """Return what the page must know of a run that has predictions."""
        layers = {"prediction", "entropy", "label", "errors"}
        return {"images_of_all": len(view.image_ids), "selected": None, "hard": 0, "layers": layers}

    def method(self, view: EvaluationView) -> dict[str, Any]:
        """Return a selection's fields, empty: nothing is selected in this split."""
        return {"method": None, "shows": [], "about": "", "compat": None, "quantity": "none"}

    def falls(self, view: EvaluationView, order: str) -> bool:
        """Return whether the largest value comes first."""
        return ORDERS[order].falls

    def values(
        self, view: EvaluationView, other: EvaluationView | None, order: str, of: str | None, taken_for: str | None
    ) -> Values:
        """Return the values (N,) of an order, and on which side of it each image is."""
        class_index(view, of), class_index(view, taken_for)  # raise for unknown names
        words = ""
        if order == "confusion":
            value_N, words = self._confusions(view, of, taken_for)
        elif order == "change":
            value_N, words = _change(view, other, of)
        else:
            value_N = _of_scores(view, order, of)
        return Values(value_N, words, _sides(order, value_N))

    def _confusions(self, view: EvaluationView, of: str | None, taken_for: str | None) -> tuple[np.ndarray, str]:
        """Return shares of labelled pixels, NaN where it is not measured yet; any class where one is not named."""
        known = self._measure(view).of(view.image_ids)
        label, prediction = class_index(view, of), class_index(view, taken_for)
        value_N = np.full(len(view.image_ids), np.nan)
        for number, image_id in enumerate(view.image_ids):
            confused = known.get(image_id)
            if confused is not None:
                value_N[number] = _share(confused, label, prediction, len(view.classes))
        return value_N, measured_words(known, view.image_ids)

    def _measure(self, view: EvaluationView) -> Measurements[_Confused]:
        return self._measured.get(("confusion", view.name), view.stamp, lambda image_id: _confused(view, image_id))

    def classes(self, view: EvaluationView, other: EvaluationView | None) -> dict[str, Any]:
        """Return of each class IoU, that in the other run, and for what its pixels are taken most."""
        results = [one.run.result if one else None for one in (view, other)]
        iou, other_iou = ({} if result is None else result.class_iou for result in results)
        taken_for = _taken_for(RUNS / view.name / "confusion.csv")
        colours = dict(zip(view.classes.names, view.classes.palette, strict=True))
        return {
            "metrics": {} if results[0] is None else results[0].metrics,
            "classes": [
                {
                    "name": name,
                    "colour": colours.get(name, (128, 128, 128)),
                    "iou": value,
                    "other_iou": other_iou.get(name),
                    "taken_for": taken_for.get(name, []),
                }
                for name, value in iou.items()
            ],
        }

    def image(self, view: EvaluationView, image_id: str) -> dict[str, Any]:
        """Return one image: its score and its classes."""
        label_HW, truth_HW, names = view.label(image_id), view.truth(image_id), view.classes.names
        confusion_CC = confusion_matrix(truth_HW, label_HW, len(names))
        iou_C, true_C = intersection_over_union(confusion_CC), confusion_CC.sum(axis=1)
        predicted_C = np.bincount(label_HW.ravel(), minlength=len(names))[: len(names)]
        labelled = int(true_C.sum())
        right = int(np.diag(confusion_CC).sum())
        words = (
            f"{100 * right / labelled:.1f} % of the labelled pixels are right." if labelled else "Nothing is labelled."
        )
        return {
            "id": image_id,
            "entropy": float(view.entropy_byte(image_id).mean()) / 255,
            "chosen": "",
            "chosen_words": words,
            "patches": [],
            "labelled": True,
            "classes": [
                {
                    "name": name,
                    "share": int(predicted_C[index]) / label_HW.size,
                    "confidence": None,
                    "kept": 0,
                    "true_share": int(true_C[index]) / label_HW.size,
                    "iou": None if math.isnan(iou_C[index]) else float(iou_C[index]),
                }
                for index, name in enumerate(names)
                if predicted_C[index] or true_C[index]
            ],
        }

    def pixel(self, view: EvaluationView, image_id: str, column: int, row: int) -> dict[str, Any]:
        """Return a pixel: prediction, label and entropy; predictions.h5 has no distribution over the classes.

        Raises:
            ReadableError: if the pixel is outside the image.
        """
        if not Box(row, column, 1, 1).lies_in(view.size):
            height, width = view.size
            raise ReadableError(f"pixel ({column}, {row}) is outside the image of {width}x{height}")
        share = int(view.entropy_byte(image_id)[row, column]) / 255
        return {
            "x": column,
            "y": row,
            "class": int(view.label(image_id)[row, column]),
            "probabilities": [],
            "entropy": share * math.log(len(view.classes)),
            "entropy_share": share,
            "truth": int(view.truth(image_id)[row, column]),
            "reason": None,
        }


def _of_scores(view: EvaluationView, order: str, of: str | None) -> np.ndarray:
    """Return values (N,) that per_image.csv holds."""
    scores = view.scores
    if order == "order":
        return np.arange(1, len(view.image_ids) + 1, dtype=np.float64)
    if order == "error":
        return _errors(view, of)
    if order == "iou" and of:
        intersection_N, union_N = _of_class(view, of)
        with np.errstate(invalid="ignore"):
            iou_N: np.ndarray = intersection_N / union_N
        return iou_N
    if order == "iou":
        return np.array([math.nan if score.mIoU is None else score.mIoU for score in scores.images])
    return np.array([score.entropy for score in scores.images]) / math.log(len(view.classes))


def _errors(view: EvaluationView, of: str | None) -> np.ndarray:
    """Return the wrong pixels of a class, or of all, as shares (N,) of the labelled ones."""
    if not of:
        accuracies = [score.pixel_accuracy for score in view.scores.images]
        return np.array([math.nan if value is None else 1 - value for value in accuracies])
    intersection_N, union_N = _of_class(view, of)
    pixels = _counts(view)
    # each pixel is in one class of the label and in one of the prediction: both sums are twice the labelled pixels
    labelled_N = (pixels.union_NC.sum(axis=1) + pixels.intersection_NC.sum(axis=1)) / 2
    with np.errstate(invalid="ignore"):
        share_N: np.ndarray = (union_N - intersection_N) / labelled_N
    return share_N


def _of_class(view: EvaluationView, name: str) -> tuple[np.ndarray, np.ndarray]:
    pixels = _counts(view)
    if name not in pixels.names:
        raise ReadableError(
            f"{name}: is counted as another class in this evaluation (`evaluate: merge` of params.yaml)"
        )
    index = pixels.names.index(name)
    return pixels.intersection_NC[:, index], pixels.union_NC[:, index]


def _counts(view: EvaluationView) -> ClassPixels:
    pixels = view.scores.pixels
    if pixels is None:
        path = RUNS / view.name / PER_IMAGE
        raise ReadableError(f"{path}: has no counts by class (an earlier version wrote it); run `dvc repro` again")
    return pixels


def _change(view: EvaluationView, other: EvaluationView | None, of: str | None) -> tuple[np.ndarray, str]:
    value_N = np.full(len(view.image_ids), np.nan)
    if other is None:
        return value_N, ""
    if difference := classes_differ(view, other):
        return value_N, difference
    before = dict(zip(other.image_ids, _errors(other, of), strict=True))
    earlier_N = np.array([before.get(image_id, math.nan) for image_id in view.image_ids])
    return _errors(view, of) - earlier_N, ""


def _sides(order: str, value_N: np.ndarray) -> list[str]:
    if order == "change":
        return [_WORSE if value > 0 else _BETTER if value < 0 else "" for value in value_N]
    if order in ("error", "confusion"):
        return [_WRONG if value > 0 else "" for value in value_N]
    return [""] * len(value_N)


def _confused(view: EvaluationView, image_id: str) -> _Confused:
    truth_HW, label_HW = view.truth(image_id), view.label(image_id)
    is_wrong_HW = (truth_HW != IGNORE) & (truth_HW != label_HW)
    pairs = truth_HW[is_wrong_HW].astype(np.int32) * len(view.classes) + label_HW[is_wrong_HW]
    return _Confused(*np.unique(pairs, return_counts=True), labelled=int((truth_HW != IGNORE).sum()))


def _share(confused: _Confused, label: int | None, prediction: int | None, classes: int) -> float:
    if not confused.labelled:
        return math.nan
    is_counted = np.ones(len(confused.pair), bool)
    if label is not None:
        is_counted &= confused.pair // classes == label
    if prediction is not None:
        is_counted &= confused.pair % classes == prediction
    return float(confused.pixels[is_counted].sum() / confused.labelled)


def _taken_for(path: Path) -> dict[str, list[dict[str, Any]]]:
    """Return of each class the others that its pixels are predicted as most, with their shares; confusion.csv's."""
    try:
        with path.open(newline="", encoding="utf-8") as file:
            (_, *names), *rows = csv.reader(file)
        count_CC = np.array([row[1:] for row in rows], dtype=np.int64)
    except (OSError, ValueError):
        return {}
    taken_for = {}
    for index, (name, count_C) in enumerate(zip(names, count_CC, strict=True)):
        largest = [other for other in np.argsort(-count_C, kind="stable") if other != index and count_C[other]]
        shares = [
            {"name": names[other], "share": float(count_C[other] / count_C.sum())} for other in largest[:_MOST_CONFUSED]
        ]
        taken_for[name] = shares
    return taken_for
