"""CADA's entropy thresholds, computed by hand."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from pipeline.cache.index import CacheIndex
from pipeline.cache.reader import CacheReader
from pipeline.cache.volumes import import_volumes, open_volumes
from pipeline.common.labels import IGNORE
from pipeline.methods.cada import keep_filter, select_cada, thresholds
from pipeline.methods.pseudo_labels import pseudo_label


def entropy(*p: float) -> float:
    return -sum(value * math.log(value) for value in p if value > 0)


# two pixels of class 0 with p = (.9, .1, 0) and (.5, .3, .2); none of class 1; one of class 2
COUNT, CONFIDENCE = np.array([2, 0, 1]), np.array([1.4, 0.0, 1.0])
SUM = np.array([[1.4, 0.4, 0.2], [0, 0, 0], [0, 0, 1]])
WEIGHTED = np.array([[0.81 + 0.25, 0.09 + 0.15, 0.1], [0, 0, 0], [0, 0, 1]])


def test_the_weighted_centroid_leans_to_confident_pixels() -> None:
    found_C = thresholds(COUNT, CONFIDENCE, SUM, WEIGHTED, "weighted", 0.0)
    assert found_C[0] == pytest.approx(entropy(1.06 / 1.4, 0.24 / 1.4, 0.1 / 1.4))


def test_the_mean_centroid_weights_all_alike() -> None:
    assert thresholds(COUNT, CONFIDENCE, SUM, WEIGHTED, "mean", 0.0)[0] == pytest.approx(entropy(0.7, 0.2, 0.1))


def test_the_literal_reading_is_one_number() -> None:
    assert thresholds(COUNT, CONFIDENCE, SUM, WEIGHTED, "literal", 0.0)[0] == pytest.approx(-0.7 * math.log(0.7))


@pytest.mark.parametrize("centroid", ["weighted", "mean", "literal"])
def test_an_absent_class_and_a_certain_one_have_threshold_0_and_nothing_is_nan(centroid) -> None:
    found_C = thresholds(COUNT, CONFIDENCE, SUM, WEIGHTED, centroid, 0.0)
    assert found_C[1:].tolist() == [0, 0]


def test_delta_is_taken_off_and_a_threshold_is_never_negative() -> None:
    plain, less = (thresholds(COUNT, CONFIDENCE, SUM, WEIGHTED, "mean", delta)[0] for delta in (0.0, 0.25))
    assert plain - less == pytest.approx(0.25)
    assert thresholds(COUNT, CONFIDENCE, SUM, WEIGHTED, "mean", 5.0)[0] == 0


def test_a_pixel_is_kept_strictly_below_its_class_s_threshold() -> None:
    label_HW = np.array([[0, 0, 1, 1]], np.uint8)
    entropy_HW = np.array([[0.4, 0.5, 0.1, 0.3]], np.float32)
    assert keep_filter(label_HW, entropy_HW, np.array([0.5, 0.2])).tolist() == [[True, False, True, False]]


@pytest.mark.parametrize("rest", [0.03, 0.02, 0.0123, 0.01, 0.0011, 1e-4])
def test_a_class_whose_pixels_are_all_alike_keeps_none(tmp_path: Path, rest: float) -> None:
    """Its centroid is each of them: whatever the last bits say, no entropy is below another."""
    prob_CHW = np.full((4, 12, 20), rest, np.float32)
    prob_CHW[1] = 1 - 3 * rest
    np.save(tmp_path / "v.npy", prob_CHW[None])
    import_volumes(open_volumes(tmp_path / "v.npy"), tmp_path / "cache", ("a", "b", "c", "d"))
    for centroid in ("weighted", "mean"):
        selection, _ = select_cada(CacheIndex(tmp_path / "cache"), 0.0, centroid)
        assert (pseudo_label(CacheReader(tmp_path / "cache"), selection, "00000") == IGNORE).all()


def test_thresholds_over_a_cache_are_those_of_its_pixels(tmp_path: Path) -> None:
    scores = np.exp(2 * np.random.default_rng(0).standard_normal((5, 4, 12, 20)))
    prob_NCHW = (scores / scores.sum(axis=1, keepdims=True)).astype(np.float32)
    np.save(tmp_path / "v.npy", prob_NCHW)
    import_volumes(open_volumes(tmp_path / "v.npy"), tmp_path / "cache", ("a", "b", "c", "d"), part_images=2)
    selection, details = select_cada(CacheIndex(tmp_path / "cache"), 0.05, "weighted")
    prob_PC = prob_NCHW.transpose(0, 2, 3, 1).reshape(-1, 4).astype(np.float64)
    label_P, confidence_P = prob_PC.argmax(axis=1), prob_PC.max(axis=1)
    for class_index in range(4):
        of_class = label_P == class_index
        weight_P = confidence_P[of_class]
        centroid_C = (prob_PC[of_class] * weight_P[:, None]).sum(axis=0) / weight_P.sum()
        assert selection.threshold_C[class_index] == pytest.approx(entropy(*centroid_C) - 0.05, rel=1e-5)
    assert (selection.method, selection.compat, selection.class_names) == ("cada", "paper", ["a", "b", "c", "d"])
    assert selection.images == [f"{number:05}" for number in range(5)]
    assert details["cache"] == CacheIndex(tmp_path / "cache").spec.fingerprint
    assert (details["delta"], details["centroid"]) == (0.05, "weighted")
    entropy_NHW = -(prob_NCHW * np.log(prob_NCHW)).sum(axis=1)
    scores = details["scores"]
    assert isinstance(scores, dict) and list(scores) == selection.images
    assert list(scores.values()) == pytest.approx(entropy_NHW.mean(axis=(1, 2)).tolist(), rel=1e-4)
    label_HW = pseudo_label(CacheReader(tmp_path / "cache"), selection, "00003")
    kept_HW = entropy_NHW[3] < selection.threshold_C[prob_NCHW[3].argmax(axis=0)]
    np.testing.assert_array_equal(label_HW, np.where(kept_HW, prob_NCHW[3].argmax(axis=0), IGNORE))
