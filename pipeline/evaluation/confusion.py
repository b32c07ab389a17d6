"""Confusion matrices in integer counts, and the scores computed from them."""

# C class, H/W pixels

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from pipeline.common.labels import IGNORE


def confusion_matrix(truth_HW: np.ndarray, prediction_HW: np.ndarray, classes: int) -> np.ndarray:
    """Return counts (C,C) int64, [true class, predicted class], over the pixels whose truth is not ignored.

    A prediction of IGNORE counts nowhere.

    Raises:
        ValueError: the sizes differ, or a class is out of range.
    """
    if truth_HW.shape != prediction_HW.shape:
        raise ValueError(f"truth is {truth_HW.shape}, prediction is {prediction_HW.shape}: sizes differ")
    counted = (truth_HW != IGNORE) & (prediction_HW != IGNORE)
    truth, prediction = truth_HW[counted].astype(np.int64), prediction_HW[counted].astype(np.int64)
    if truth.size and max(truth.max(), prediction.max()) >= classes:
        raise ValueError(f"a label is {max(truth.max(), prediction.max())}, but there are {classes} classes")
    return np.bincount(truth * classes + prediction, minlength=classes * classes).reshape(classes, classes)


def merged(
    confusion_CC: np.ndarray, names: tuple[str, ...], merge: Mapping[str, str]
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Return the confusion and the names after some classes count as others, in the truth as in the predictions.

    This scores a network of 19 classes on a data set with fewer (CBST's protocol for NTHU); a pixel predicted as a
    class that is neither merged nor in the truth stays an error.
    """
    kept = tuple(name for name in names if name not in merge)
    kept_index_C = np.array([kept.index(merge.get(name, name)) for name in names])
    fold_CK = np.eye(len(kept), dtype=np.int64)[kept_index_C]
    return fold_CK.T @ confusion_CC @ fold_CK, kept


def intersection_over_union(confusion_CC: np.ndarray) -> np.ndarray:
    """Return the IoU of each class (C,) in [0,1]; NaN for a class that is neither true nor predicted anywhere."""
    hit_C = np.diag(confusion_CC).astype(np.float64)
    union_C = confusion_CC.sum(axis=0) + confusion_CC.sum(axis=1) - hit_C
    with np.errstate(invalid="ignore", divide="ignore"):
        iou_C: np.ndarray = hit_C / union_C
    return iou_C


def mean_iou(confusion_CC: np.ndarray, chosen: list[int] | None = None) -> float:
    """Return the mean IoU over the chosen classes (default all); NaN if none is true or predicted anywhere.

    As in the Cityscapes evaluator, a class that is neither true nor predicted is left out, and one that is predicted
    but nowhere true counts as 0. The confusion is over all classes even if the mean is over a few.
    """
    iou_C = intersection_over_union(confusion_CC)
    chosen_C = iou_C if chosen is None else iou_C[chosen]
    return float(np.nanmean(chosen_C)) if not np.isnan(chosen_C).all() else float("nan")


def pixel_accuracy(confusion_CC: np.ndarray) -> float:
    """Return the share of the counted pixels that are right; NaN if none is counted."""
    total = int(confusion_CC.sum())
    return float(np.trace(confusion_CC) / total) if total else float("nan")
