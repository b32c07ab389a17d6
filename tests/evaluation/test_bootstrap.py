"""Intervals over images."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.evaluation.bootstrap import _weights, interval, resampled
from pipeline.evaluation.confusion import mean_iou, pixel_accuracy
from pipeline.evaluation.images import ClassPixels

NAMES = ["road", "car", "sky"]
SUBSETS = {"two": ["road", "car"]}


def pixels_of(confusion_NCC: np.ndarray) -> ClassPixels:
    intersection_NC = np.diagonal(confusion_NCC, axis1=1, axis2=2)
    union_NC = confusion_NCC.sum(axis=1) + confusion_NCC.sum(axis=2) - intersection_NC
    return ClassPixels([str(n) for n in range(len(confusion_NCC))], NAMES, intersection_NC, union_NC)


CONFUSIONS = np.random.default_rng(0).integers(0, 9, (5, 3, 3))
CONFUSIONS[:3, 2], CONFUSIONS[:3, :, 2] = 0, 0  # the sky is in two images only


@pytest.mark.parametrize("headline", ["mIoU", "two", "pixel_accuracy"])
def test_a_resample_is_scored_as_its_images_are(headline: str) -> None:
    score_R = resampled(pixels_of(CONFUSIONS), headline, SUBSETS, seed=3, count=40)
    (weight_RN,) = _weights(5, 3, 40)
    assert (weight_RN.sum(axis=1) == 5).all() and len(np.unique(weight_RN, axis=0)) > 20
    assert any((weight_N[3:] == 0).all() for weight_N in weight_RN), "a class may be missing"
    for weight_N, score in zip(weight_RN.astype(int), score_R, strict=True):
        drawn_CC = np.tensordot(weight_N, CONFUSIONS, axes=1)
        chosen = [0, 1] if headline == "two" else None
        expected = pixel_accuracy(drawn_CC) if headline == "pixel_accuracy" else mean_iou(drawn_CC, chosen)
        assert score == pytest.approx(expected)


def test_the_same_seed_draws_the_same_images_in_blocks_of_any_size(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = resampled(pixels_of(CONFUSIONS), "mIoU", {}, seed=1)
    monkeypatch.setattr("pipeline.evaluation.bootstrap._BLOCK", 5 * 7)
    np.testing.assert_array_equal(whole, resampled(pixels_of(CONFUSIONS), "mIoU", {}, seed=1))
    assert not np.array_equal(whole, resampled(pixels_of(CONFUSIONS), "mIoU", {}, seed=2))


def test_a_difference_is_paired() -> None:
    """Every image is one pixel in a hundred better, however different the images are among each other."""
    right_N = np.linspace(100, 900, 30).astype(int)
    before, after = (
        resampled(
            pixels_of(np.array([[[n, 1000 - n, 0], [0, 0, 0], [0, 0, 0]] for n in right_N + more])),
            "pixel_accuracy",
            {},
            1,
        )
        for more in (0, 10)
    )
    assert np.ptp(before) > 0.1
    assert interval(after, before) == pytest.approx((0.01, 0.01))
    low, high = interval(before, np.zeros_like(before))
    assert low < right_N.mean() / 1000 < high


def test_the_interval_holds_95_percent() -> None:
    assert interval(np.arange(1001) / 1000, np.zeros(1001)) == (0.025, 0.975)
    assert interval(np.array([np.nan, 0.5]), np.zeros(2)) == (0.5, 0.5)
    assert interval(np.full(3, np.nan), np.zeros(3)) is None


def test_it_is_about_as_wide_as_theory_says() -> None:
    """Of a mean over n images the interval is 2 · 1.96 standard errors."""
    right_N = np.random.default_rng(5).integers(0, 1000, 400)
    images = np.array([[[n, 1000 - n, 0], [0, 0, 0], [0, 0, 0]] for n in right_N])
    score_R = resampled(pixels_of(images), "pixel_accuracy", {}, 1)
    low, high = interval(score_R, np.zeros_like(score_R))
    assert high - low == pytest.approx(2 * 1.96 * right_N.std() / 1000 / 20, rel=0.15)


def test_nothing_labelled_has_no_score_and_an_unknown_metric_has_no_interval() -> None:
    assert np.isnan(resampled(pixels_of(np.zeros((2, 3, 3), int)), "mIoU", {}, 1)).all()
    assert resampled(pixels_of(CONFUSIONS), "folds_mean", {}, 1) is None
    assert resampled(pixels_of(CONFUSIONS), "new", {"new": ["road", "lamp"]}, 1) is None


def test_pictures_are_drawn_and_not_their_tiles() -> None:
    by_tile = pixels_of(CONFUSIONS)._replace(images=[f"{name}@000000,00000{at}" for at, name in enumerate("aabbc")])
    by_picture = pixels_of(np.stack([CONFUSIONS[:2].sum(axis=0), CONFUSIONS[2:4].sum(axis=0), CONFUSIONS[4]]))
    drawn_R, expected_R = (resampled(pixels, "mIoU", {}, seed=3) for pixels in (by_tile, by_picture))
    np.testing.assert_array_equal(drawn_R, expected_R)
    one = by_tile._replace(images=[f"a@000000,00000{at}" for at in range(5)])
    np.testing.assert_array_equal(resampled(one, "mIoU", {}, 3), resampled(pixels_of(CONFUSIONS), "mIoU", {}, 3))
