"""Why a pixel was kept or dropped, in each method's words and on its scale."""

from __future__ import annotations

import math
from pathlib import Path

import h5py
import numpy as np
import pytest

from pipeline.common.labels import IGNORE
from pipeline.methods.method import Explanation, PixelView
from pipeline.methods.registry import METHODS
from pipeline.methods.selection_file import Selection

NAMES = ("road", "sky")


def explained(
    method: str, threshold: float, entropy: float, compat: str = "paper", prob: tuple[float, float] = (0.25, 0.75),
    pseudo: int = 1, images: tuple[str, ...] = ("a",), prior: Path | None = None,
) -> Explanation:  # fmt: skip
    """Of the second pixel of image a, which the network calls sky."""
    selection = Selection(method, compat, list(NAMES), list(images), np.array([0.5, threshold]), prior=prior)
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


def explained_as_released(threshold: float, entropies: tuple[float, ...], labels: tuple[int, ...]) -> Explanation:
    """By the released code of LSE, of the last pixel of an image."""
    selection = Selection("lse", "author", list(NAMES), ["a"], np.array([0.5, threshold]))
    label_HW, entropy_HW = np.array([labels], np.uint8), np.array([entropies], np.float32)
    view = PixelView(
        selection, "a", label_HW, entropy_HW, label_HW, np.array([0.25, 0.75], np.float32), (0, len(labels) - 1), NAMES
    )
    return METHODS["lse"].explain(view)


def test_lse_as_released_compares_the_entropy_within_the_class_and_the_image() -> None:
    quantity = "entropy within its class in this image, 0 to 1"
    entropies, labels = (9.0, 0.5, 1.0, 0.625), (0, 1, 1, 1)
    assert explained_as_released(0.5, entropies, labels) == Explanation(
        quantity, 0.25, 0.5, f"its {quantity}, 0.25 < 0.5 (h of sky)"
    )
    dropped = explained_as_released(0.25, entropies, labels)
    assert dropped == Explanation(quantity, 0.25, 0.25, f"its {quantity}, 0.25 ≥ 0.25 (h of sky)")
    words = "a threshold or entropy that is not a number keeps all"
    assert explained_as_released(math.nan, entropies, labels) == Explanation(quantity, 0.25, None, words)
    assert explained_as_released(0.5, (9.0, 0.5), (0, 1)) == Explanation(quantity, None, 0.5, words)


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


def test_a_class_that_nothing_can_reach_is_not_a_division_by_zero() -> None:
    selection = Selection("cbst", "paper", list(NAMES), ["a"], np.array([0.5, 0.0]))
    plane_HW = np.zeros((1, 1), np.uint8)
    view = PixelView(
        selection, "a", plane_HW, plane_HW.astype(np.float32), plane_HW, np.array([1.0, 0.0], np.float32), (0, 0), NAMES
    )
    with np.errstate(all="raise"):
        assert METHODS["cbst"].explain(view).words.startswith("road has the largest p / threshold: p = 1 reaches")


def test_cbst_sp_compares_the_probability_times_the_prior(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "prior.h5", "w") as file:
        file.attrs["class_names"] = list(NAMES)
        # two pixels each: q · 2 is the factor; the second pixel is road's
        file["prior"] = np.array([[[0.0, 1.0]], [[1.0, 0.25]]], np.float32)
    kept = explained("cbst", 0.5, 0.0, prob=(0.375, 0.625), pseudo=0, prior=tmp_path / "prior.h5")
    assert kept == Explanation(
        "confidence times prior", 0.75, 0.5,
        "road has the largest p · prior / threshold: p · prior = 0.75 reaches its threshold 0.5, "
        "weighed by thresholds before sky",
    )  # fmt: skip


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


def test_thresholds_of_cbst_sp_are_of_another_quantity() -> None:
    selection = Selection("cbst", "paper", list(NAMES), ["a"], np.array([0.5, 0.5]), prior=Path("prior.h5"))
    assert METHODS["cbst"].threshold(selection) == ("confidence-and-prior", "probability")
