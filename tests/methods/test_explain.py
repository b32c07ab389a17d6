"""Why a pixel was kept or dropped, in each method's words and on its scale."""

from __future__ import annotations

import math

import numpy as np
import pytest

from pipeline.common.labels import IGNORE
from pipeline.methods.method import Explanation, PixelView
from pipeline.methods.registry import METHODS
from pipeline.methods.selection_file import Selection

NAMES = ("road", "sky")


def explained(
    method: str, threshold: float, entropy: float, compat: str = "paper", prob: tuple[float, float] = (0.25, 0.75),
    pseudo: int = 1, images: tuple[str, ...] = ("a",),
) -> Explanation:  # fmt: skip
    """Of the second pixel of image a, which the network calls sky."""
    selection = Selection(method, compat, list(NAMES), list(images), np.array([0.5, threshold]))
    view = PixelView(
        selection, "a", np.array([[0, 1]], np.uint8), np.array([[9, entropy]], np.float32),
        np.array([[IGNORE, pseudo]], np.uint8), np.array(prob, np.float32), (0, 1), NAMES,
    )  # fmt: skip
    return METHODS[method].explain(view)


def test_lse_compares_the_share_of_the_largest_entropy() -> None:
    entropy = float(np.float32(0.25 * math.log(2)))
    kept = explained("lse", 0.5, entropy)
    assert (kept.quantity, kept.threshold) == ("entropy / ln C", 0.5)
    assert kept.value == pytest.approx(0.25)
    assert kept.words == "entropy / ln C is 0.25 ≤ 0.5 (h of sky)"
    assert explained("lse", 0.125, entropy).words == "entropy / ln C is 0.25 > 0.125 (h of sky)"


def test_cada_compares_nats() -> None:
    kept = explained("cada", 0.5, 0.25)
    assert kept == Explanation("entropy, nats", 0.25, 0.5, "entropy is 0.25 nats < 0.5 (E(f) - Δ of sky)")
    assert explained("cada", 0.25, 0.25).words == "entropy is 0.25 nats ≥ 0.25 (E(f) - Δ of sky)"


def test_cbst_compares_the_class_that_is_largest_by_its_threshold() -> None:
    kept = explained("cbst", 0.5, 0.0)
    words = "sky has the largest p / threshold: p = 0.75 reaches its threshold 0.5"
    assert kept == Explanation("confidence", 0.75, 0.5, words)
    dropped = explained("cbst", 0.9375, 0.0, prob=(0.375, 0.625), pseudo=IGNORE)
    assert dropped.words == (
        "road has the largest p / threshold: p = 0.375 does not reach its threshold 0.5, "
        "weighed by thresholds before sky"
    )
    assert (dropped.value, dropped.threshold) == (0.375, 0.5)


def test_intrada_tells_easy_images_from_hard_ones() -> None:
    easy = "the image is easy, and easy images are trusted as they are"
    assert explained("intrada", 0.5, 0.0) == Explanation("", None, None, easy)
    hard = "the image is hard: it has no pseudo-labels, and is aligned with the easy ones instead"
    assert explained("intrada", 0.5, 0.0, images=("b",)) == Explanation("", None, None, hard)


@pytest.mark.parametrize(
    ("method", "compat", "quantity", "unit"),
    [
        ("lse", "paper", "entropy-share", "share of ln C"),
        ("lse", "author", "entropy-in-image", "entropy within its class in the image"),
        ("cada", "paper", "entropy-nats", "nats"),
        ("cbst", "author", "confidence", "probability"),
        ("intrada", "paper", "none", None),
    ],
)
def test_thresholds_have_a_quantity_for_the_viewer_and_a_unit_for_the_report(
    method: str, compat: str, quantity: str, unit: str | None
) -> None:
    selection = Selection(method, compat, list(NAMES), ["a"], np.array([0.5, 0.5]))
    assert METHODS[method].threshold(selection) == (quantity, unit)
