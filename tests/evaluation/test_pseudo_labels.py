"""Coverage and precision of pseudo-labels by hand."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.common.labels import IGNORE
from pipeline.evaluation.pseudo_labels import PseudoLabelScore

X = IGNORE


def score_of(*images: tuple[list[int], list[int]]) -> PseudoLabelScore:
    score = PseudoLabelScore(3)
    for truth, pseudo in images:
        score.add(np.array([truth], np.uint8), np.array([pseudo], np.uint8))
    return score


def test_coverage_and_precision_over_two_images() -> None:
    score = score_of(([0, 0, 0, 1], [0, 0, X, 0]), ([1, 1, X, X], [1, X, 0, X]))
    # six pixels with a truth; four of them have a pseudo-label (0, 0, 0, 1); three of those are right
    assert score.coverage() == pytest.approx(4 / 6)
    assert score.precision() == pytest.approx(3 / 4)


def test_by_class_coverage_is_of_true_pixels_and_precision_of_given_labels() -> None:
    score = score_of(([0, 0, 0, 1], [0, 0, X, 0]), ([1, 1, X, X], [1, X, 0, X]))
    assert score.per_class(("a", "b", "c")) == {
        "a": {"coverage": pytest.approx(2 / 3), "precision": pytest.approx(2 / 3)},
        "b": {"coverage": pytest.approx(2 / 3), "precision": pytest.approx(1 / 1)},
        "c": {"coverage": None, "precision": None},
    }


def test_without_pixels_or_labels_there_is_no_share() -> None:
    assert PseudoLabelScore(3).coverage() is None
    assert PseudoLabelScore(3).precision() is None
    nothing_trusted = score_of(([0, 1], [X, X]))
    assert nothing_trusted.coverage() == 0.0
    assert nothing_trusted.precision() is None
    assert score_of(([X, X], [0, 1])).coverage() is None


def test_a_class_that_is_only_given_wrongly_has_precision_0_and_no_coverage() -> None:
    assert score_of(([0, 0], [2, 0])).per_class(("a", "b", "c"))["c"] == {"coverage": None, "precision": 0.0}
