"""Why a pixel was kept or dropped, with the numbers of the method that decided.

The decision itself is read from the pseudo-label that the method's own code makes; here it is only explained.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from pipeline.common.labels import IGNORE
from pipeline.methods.lse import normalised_within_class
from pipeline.methods.pseudo_labels import prior_at
from pipeline.methods.selection_file import Selection
from pipeline.viewer.run_view import Maps


class Reason(NamedTuple):
    """Whether and why a pixel was kept. ``value`` and ``threshold`` are on the scale of ``quantity``, or None."""

    kept: bool
    kept_as: int | None
    quantity: str
    value: float | None
    threshold: float | None
    words: str


def explain_pixel(
    selection: Selection, image_id: str, maps: Maps, prob_C: np.ndarray, row: int, column: int, names: tuple[str, ...]
) -> Reason:
    """Explain the pixel at (row, column) of an image; ``prob_C`` is its class distribution."""
    assert maps.pseudo_HW is not None
    pseudo = int(maps.pseudo_HW[row, column])
    explain = {"lse": _lse, "cbst": _cbst, "cada": _cada, "intrada": _intrada}[selection.method]
    quantity, value, threshold, words = explain(selection, image_id, maps, prob_C, (row, column), names)
    kept = pseudo != IGNORE
    beside = ""
    if not selection.hard and image_id not in selection.images:
        beside = " This image was not selected: the round does not train on it."
    verdict = f"{'Kept' if kept else 'Dropped'}{f' as {names[pseudo]}' if kept else ''}"
    return Reason(kept, pseudo if kept else None, quantity, value, threshold, f"{verdict}: {words}.{beside}")


_Explained = tuple[str, float | None, float | None, str]


def _lse(
    selection: Selection, image_id: str, maps: Maps, prob_C: np.ndarray, place: tuple[int, int], names: tuple[str, ...]
) -> _Explained:
    label = int(maps.label_HW[place])
    threshold = float(selection.threshold_C[label])
    if selection.compat == "author":
        value = float(normalised_within_class(maps.label_HW, maps.entropy_HW, len(names))[place])
        quantity = "entropy within its class in this image, 0 to 1"
        if math.isnan(threshold) or math.isnan(value):
            return quantity, _known(value), _known(threshold), "a threshold or entropy that is not a number keeps all"
        below = "<" if value < threshold else "≥"
        return quantity, value, threshold, f"its {quantity}, {value:.4g} {below} {threshold:.4g} (h of {names[label]})"
    value = float(maps.entropy_HW[place]) / math.log(len(names))
    below = "≤" if value <= threshold else ">"
    words = f"entropy / ln C is {value:.4g} {below} {threshold:.4g} (h of {names[label]})"
    return "entropy / ln C", value, threshold, words


def _cada(
    selection: Selection, image_id: str, maps: Maps, prob_C: np.ndarray, place: tuple[int, int], names: tuple[str, ...]
) -> _Explained:
    label, value = int(maps.label_HW[place]), float(maps.entropy_HW[place])
    threshold = float(selection.threshold_C[label])
    below = "<" if value < np.float32(threshold) else "≥"
    words = f"entropy is {value:.4g} nats {below} {threshold:.4g} (E(f) - Δ of {names[label]})"
    return "entropy, nats", value, threshold, words


def _cbst(
    selection: Selection, image_id: str, maps: Maps, prob_C: np.ndarray, place: tuple[int, int], names: tuple[str, ...]
) -> _Explained:
    what = "p"
    if selection.prior is not None:
        prior_CHW = prior_at(selection.prior, names, (maps.label_HW.shape[0], maps.label_HW.shape[1]))
        prob_C, what = prob_C * prior_CHW[:, place[0], place[1]], "p · prior"
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio_C = prob_C / selection.threshold_C.astype(np.float32)
    best = int(np.nanargmax(ratio_C))
    value, threshold = float(prob_C[best]), float(selection.threshold_C[best])
    reaches = maps.pseudo_HW is not None and maps.pseudo_HW[place] != IGNORE
    compared = f"{what} = {value:.5g} {'reaches' if reaches else 'does not reach'} its threshold {threshold:.5g}"
    tail = "" if best == maps.label_HW[place] else f", weighed by thresholds before {names[int(maps.label_HW[place])]}"
    quantity = "confidence" if selection.prior is None else "confidence times prior"
    return quantity, value, threshold, f"{names[best]} has the largest {what} / threshold: {compared}{tail}"


def _intrada(
    selection: Selection, image_id: str, maps: Maps, prob_C: np.ndarray, place: tuple[int, int], names: tuple[str, ...]
) -> _Explained:
    easy = image_id in selection.images
    words = (
        "the image is easy, and easy images are trusted as they are"
        if easy
        else "the image is hard: it has no pseudo-labels, and is aligned with the easy ones instead"
    )
    return "", None, None, words


def _known(value: float) -> float | None:
    return None if math.isnan(value) else value
