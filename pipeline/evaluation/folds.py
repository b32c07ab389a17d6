"""Scores over the ten folds of the NTHU protocol: mean and deviation, from one pass over the images.

# F fold, C class
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from pipeline.datasets.nthu import FOLDS, fold_of
from pipeline.evaluation.confusion import confusion_matrix


def confusion_by_fold(pairs: Iterable[tuple[np.ndarray, np.ndarray]], images: int, classes: int) -> np.ndarray:
    """The confusions (F,C,C) int64 of the images of each fold, from pairs of truth and prediction in the ids' order."""
    confusion_FCC = np.zeros((FOLDS, classes, classes), dtype=np.int64)
    for position, (truth_HW, prediction_HW) in enumerate(pairs):
        confusion_FCC[fold_of(position, images)] += confusion_matrix(truth_HW, prediction_HW, classes)
    return confusion_FCC


def over_folds(score_F: list[float]) -> dict[str, float]:
    """Mean and standard deviation (of a sample) of one score over the folds that have one; empty below two."""
    known = [score for score in score_F if not np.isnan(score)]
    if len(known) < 2:
        return {}
    return {"folds_mean": float(np.mean(known)), "folds_deviation": float(np.std(known, ddof=1))}
