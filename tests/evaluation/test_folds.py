"""Scores over ten folds."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.datasets.folds import fold_of
from pipeline.datasets.layouts.nthu import FOLDS
from pipeline.evaluation.folds import over_folds


def test_each_image_counts_in_one_of_ten_runs_of_the_sorted_ids() -> None:
    folds = [fold_of(position, 25, FOLDS) for position in range(25)]
    assert folds == sorted(folds)
    assert set(folds) == set(range(FOLDS))
    assert {folds.count(fold) for fold in range(FOLDS)} == {2, 3}


def test_mean_and_deviation_leave_out_folds_without_a_score() -> None:
    assert over_folds([0.2, float("nan"), 0.4]) == {
        "folds_mean": pytest.approx(0.3),
        "folds_deviation": pytest.approx(np.sqrt(0.02)),
    }
    assert over_folds([0.2, float("nan")]) == {}
