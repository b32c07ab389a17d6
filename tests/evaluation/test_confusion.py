"""Confusion and IoU by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from pipeline.common.labels import IGNORE
from pipeline.evaluation.confusion import confusion_matrix, intersection_over_union, mean_iou, merged, pixel_accuracy

TRUTH = np.array([[0, 0, 0, 1], [1, 1, IGNORE, IGNORE]], dtype=np.uint8)
PREDICTION = np.array([[0, 0, 1, 1], [0, 2, 2, 0]], dtype=np.uint8)
CONFUSION = np.array([[2, 1, 0], [1, 1, 1], [0, 0, 0]])


def test_rows_are_the_truth_and_columns_the_prediction_and_ignored_pixels_do_not_count() -> None:
    found = confusion_matrix(TRUTH, PREDICTION, 3)
    assert found.tolist() == CONFUSION.tolist()
    assert found.sum() == 6


def test_a_prediction_of_ignore_counts_nowhere() -> None:
    assert confusion_matrix(np.array([[0, 1]]), np.array([[IGNORE, 1]]), 2).tolist() == [[0, 0], [0, 1]]


def test_it_equals_a_loop_over_pixels() -> None:
    generator = np.random.default_rng(0)
    truth, prediction = (generator.integers(0, 19, (40, 50)).astype(np.uint8) for _ in range(2))
    truth[generator.random((40, 50)) < 0.2] = IGNORE
    expected = np.zeros((19, 19), dtype=int)
    for true, predicted in zip(truth.flatten().tolist(), prediction.flatten().tolist(), strict=True):
        if true != IGNORE:
            expected[true, predicted] += 1
    np.testing.assert_array_equal(confusion_matrix(truth, prediction, 19), expected)


def test_sizes_must_agree_and_classes_be_in_range() -> None:
    with pytest.raises(ValueError, match=r"truth is \(1, 2\), prediction is \(2, 1\)"):
        confusion_matrix(np.zeros((1, 2), np.uint8), np.zeros((2, 1), np.uint8), 3)
    for truth, prediction in ((3, 0), (0, 3), (254, 0)):
        with pytest.raises(ValueError, match=rf"a label is {max(truth, prediction)}, but there are 3 classes"):
            confusion_matrix(np.array([[truth]], np.uint8), np.array([[prediction]], np.uint8), 3)


@pytest.mark.filterwarnings("error")
def test_an_image_of_ignored_pixels_alone_counts_nothing() -> None:
    nothing = confusion_matrix(np.full((2, 2), IGNORE), np.zeros((2, 2), int), 3)
    assert nothing.tolist() == [[0] * 3] * 3
    assert math.isnan(mean_iou(nothing))
    assert math.isnan(pixel_accuracy(nothing))


def test_iou_is_hits_over_union() -> None:
    np.testing.assert_allclose(intersection_over_union(CONFUSION), [2 / 4, 1 / 4, 0 / 1])
    with np.errstate(all="raise"):  # a class that is nowhere is not worth a warning
        assert math.isnan(intersection_over_union(np.diag([3, 0]))[1])


def test_a_class_that_is_predicted_but_nowhere_true_counts_as_zero() -> None:
    assert mean_iou(CONFUSION) == pytest.approx((2 / 4 + 1 / 4 + 0) / 3)


def test_a_class_that_is_neither_true_nor_predicted_is_left_out_of_the_mean() -> None:
    without_it = np.array([[2, 1, 0], [1, 2, 0], [0, 0, 0]])
    assert mean_iou(without_it) == pytest.approx((2 / 4 + 2 / 4) / 2)
    assert math.isnan(mean_iou(without_it, [2]))


def test_the_mean_over_a_subset_uses_the_confusion_of_all_classes() -> None:
    assert mean_iou(CONFUSION, [1]) == pytest.approx(1 / 4)
    assert mean_iou(CONFUSION, [0, 2]) == pytest.approx(2 / 4 / 2)


def test_pixel_accuracy_is_the_share_of_hits() -> None:
    assert pixel_accuracy(CONFUSION) == pytest.approx(3 / 6)


def test_merged_classes_count_as_one_and_the_rest_stays_an_error() -> None:
    names = ("building", "wall", "car", "train")
    confusion_CC = np.array([[5, 2, 0, 1], [1, 3, 0, 0], [0, 0, 7, 2], [0, 0, 0, 0]])
    merged_CC, kept = merged(confusion_CC, names, {"wall": "building"})
    assert kept == ("building", "car", "train")
    assert merged_CC.tolist() == [[11, 0, 1], [0, 7, 2], [0, 0, 0]]
    assert merged_CC.dtype == np.int64  # still counts: confusion.csv has no decimal points
    # hits 11 of 12 true buildings; 7 of 9 cars, for the two predicted as train are lost
    assert mean_iou(merged_CC, [0, 1]) == pytest.approx((11 / 12 + 7 / 9) / 2)
    unmerged_CC, all_names = merged(confusion_CC, names, {})
    assert all_names == names
    assert (unmerged_CC == confusion_CC).all()


def test_merging_counts_is_merging_pixels() -> None:
    names = tuple("abcde")
    merge = {"b": "a", "d": "e"}
    generator = np.random.default_rng(3)
    truth_HW, prediction_HW = generator.integers(0, 5, (2, 40, 50))
    found_CC, kept = merged(confusion_matrix(truth_HW, prediction_HW, 5), names, merge)
    assert kept == ("a", "c", "e")
    table_5 = np.array([0, 0, 1, 2, 2])
    assert (found_CC == confusion_matrix(table_5[truth_HW], table_5[prediction_HW], 3)).all()
