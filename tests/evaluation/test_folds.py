"""Scores over ten folds, against a loop."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.evaluation.confusion import confusion_matrix
from pipeline.evaluation.folds import confusion_by_fold, over_folds


def test_each_image_counts_in_its_fold_alone() -> None:
    generator = np.random.default_rng(0)
    pairs = [tuple(generator.integers(0, 3, (2, 4, 6))) for _ in range(25)]
    confusion_FCC = confusion_by_fold(iter(pairs), 25, 3)
    assert confusion_FCC.shape == (10, 3, 3)
    first = sum(confusion_matrix(truth, prediction, 3) for truth, prediction in pairs[:3])  # 25 images: 3, 2, 3, 2, …
    assert (confusion_FCC[0] == first).all()
    assert (confusion_FCC.sum(axis=0) == sum(confusion_matrix(*pair, 3) for pair in pairs)).all()


def test_mean_and_deviation_leave_out_folds_without_a_score() -> None:
    assert over_folds([0.2, float("nan"), 0.4]) == {
        "folds_mean": pytest.approx(0.3),
        "folds_deviation": pytest.approx(np.sqrt(0.02)),
    }
    assert over_folds([0.2, float("nan")]) == {}
