"""Why a pixel was kept or dropped, with the numbers of the method that decided.

The decision itself is read from the pseudo-label that the method's own code makes; here it is only explained.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from pipeline.common.labels import IGNORE
from pipeline.methods.method import PixelView
from pipeline.methods.registry import method_named
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
    pixel = PixelView(selection, image_id, maps.label_HW, maps.entropy_HW, maps.pseudo_HW, prob_C, (row, column), names)
    explained = method_named(selection.method).explain(pixel)
    kept = pseudo != IGNORE
    beside = ""
    if not selection.hard and image_id not in selection.images:
        beside = " This image was not selected: the round does not train on it."
    verdict = f"{'Kept' if kept else 'Dropped'}{f' as {names[pseudo]}' if kept else ''}"
    return Reason(
        kept,
        pseudo if kept else None,
        explained.quantity,
        explained.value,
        explained.threshold,
        f"{verdict}: {explained.words}.{beside}",
    )
