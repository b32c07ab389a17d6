"""The orders of the gallery, in the target: a value for every image, NaN where there is none."""

# N images that are there, C class

from __future__ import annotations

import math
from collections.abc import Callable, Container
from typing import NamedTuple

import numpy as np

from pipeline.common.errors import ReadableError
from pipeline.methods.lse import by_falling_confidence
from pipeline.methods.registry import method_named
from pipeline.viewer.run_view import RunView
from pipeline.viewer.source import Source


class Order(NamedTuple):
    """A value to sort by."""

    title: str
    falls: bool
    """Whether the largest value comes first unless the order is reversed."""
    of_class: bool
    """Whether each class has a value of its own."""
    unit: str
    """``percent``, ``points``, ``rank`` or ``number``."""
    about: str
    """What the value is, for the page."""
    shows: tuple[str, ...] = ()
    """Sides of the order that can be shown alone."""
    pairs: bool = False
    """Whether there is a value for each pair of a labelled and a predicted class."""


class Values(NamedTuple):
    """The values of an order for all images of a run."""

    value_N: np.ndarray
    words: str
    """How far the measuring is, or why there are no values; else empty."""
    side_N: list[str]
    """Of each image ``selected``, ``hard``, ``better``, …; empty where it is on no side."""


ENTROPY = (
    "how undecided the network is, mean over the pixels: 0 % is certain, 100 % is ln C, all classes equally likely"
)
ORDERS = {
    "entropy": Order("mean entropy", True, True, "percent", ENTROPY),
    "order": Order("order in the cache", False, False, "rank", "as the target's list has them"),
    "confidence": Order(
        "mean confidence", False, True, "percent", "the largest class probability, mean over the pixels"
    ),
    "pixels": Order("share of the image", True, True, "percent", "pixels that are predicted as the class"),
    "selected": Order("order of selection", False, True, "rank", "the order in which the method took the images"),
    "kept": Order("share kept as pseudo-label", True, True, "percent", "pixels that pass the method's thresholds"),
    "score": Order("score of the method: easy to hard", False, False, "number", "the number by which the method ranks"),
    "change": Order(
        "change since the previous round", True, False, "percent", "pixels whose class differs from the other round's"
    ),
    "iou": Order(
        "mIoU of the image", False, False, "percent", "mean over its classes of overlap / union with the label"
    ),
}
MEASURED = ("kept", "change", "iou")
"""Not in the cache's statistics: measured image by image."""


def class_index(run: Source, class_name: str | None) -> int | None:
    """Return the position of a class; None for no name.

    Raises:
        ReadableError: if the run does not know the class.
    """
    if not class_name:
        return None
    if class_name not in run.classes.names:
        raise ReadableError(f"{run.name} has no class {class_name!r}; there are {', '.join(run.classes.names)}")
    return run.classes.names.index(class_name)


def measured_words(known: Container[str], measurable: list[str]) -> str:
    """Return how far the measuring is; empty at its end."""
    count, total = sum(image_id in known for image_id in measurable), len(measurable)
    return "" if count == total else f"Measuring: {count:,} of {total:,} images so far."


def falls(run: RunView, order: str) -> bool:
    """Return whether the largest value comes first; of a method's scores, its record says it."""
    if order == "score" and run.selection is not None:
        return method_named(run.selection.method).score_falls
    return ORDERS[order].falls


def statistic_values(run: RunView, order: str, class_index: int | None) -> np.ndarray:
    """Return (N,) float64 values of an order, of one class or of all, from the cache's statistics or the selection."""
    return _VALUES[order](run, class_index)


def _position(run: RunView, class_index: int | None) -> np.ndarray:
    return np.arange(1, len(run.index) + 1, dtype=np.float64)


def _entropy(run: RunView, class_index: int | None) -> np.ndarray:
    """In units of ln C."""
    if class_index is None:
        value_N = run.index.statistic("entropy_mean").astype(np.float64)
    else:
        value_N = _of_class(run, "entropy_sum", class_index)
    return value_N / math.log(run.index.spec.classes)


def _confidence(run: RunView, class_index: int | None) -> np.ndarray:
    if class_index is not None:
        return _of_class(run, "confidence_sum", class_index)
    mean_N: np.ndarray = run.index.statistic("confidence_sum").sum(axis=1) / np.prod(run.index.spec.size)
    return mean_N


def _of_class(run: RunView, name: str, class_index: int) -> np.ndarray:
    """Return the mean over the pixels that the network gives the class; NaN where it gives none."""
    with np.errstate(divide="ignore", invalid="ignore"):
        mean_N: np.ndarray = (
            run.index.statistic(name)[:, class_index] / run.index.statistic("pixel_count")[:, class_index]
        )
    return mean_N


def _pixels(run: RunView, class_index: int | None) -> np.ndarray:
    if class_index is None:
        return np.ones(len(run.index))
    share_N: np.ndarray = run.index.statistic("pixel_count")[:, class_index] / np.prod(run.index.spec.size)
    return np.where(share_N > 0, share_N, np.nan)


def _selected(run: RunView, class_index: int | None) -> np.ndarray:
    """Return the rank in the selection, from 1; of a class, among the images that it contributed (LSE)."""
    rank_N = np.full(len(run.index), np.nan)
    for rank, number in enumerate(selected_images(run, class_index), start=1):
        rank_N[number] = rank
    return rank_N


def selected_images(run: RunView, class_index: int | None) -> list[int]:
    """Return positions of the selected images in the order of selection; of a class, of those that it contributed."""
    if run.selection is None:
        return []
    known = {image_id: number for number, image_id in enumerate(run.index.image_ids)}
    counts = run.details.get("selected_per_class")
    if class_index is None or not isinstance(counts, dict):
        return [known[image_id] for image_id in run.selection.images if image_id in known]
    ranked = by_falling_confidence(
        run.index.statistic("pixel_count")[:, class_index],
        run.index.statistic("confidence_sum")[:, class_index],
        run.index.image_ids,
        run.selection.compat,
    )
    return ranked[: int(counts.get(run.selection.class_names[class_index], 0))]


def _score(run: RunView, class_index: int | None) -> np.ndarray:
    scores = run.details.get("scores", {})
    return np.array([scores.get(image_id, math.nan) for image_id in run.index.image_ids], dtype=np.float64)


_VALUES: dict[str, Callable[[RunView, int | None], np.ndarray]] = {
    "order": _position,
    "entropy": _entropy,
    "confidence": _confidence,
    "pixels": _pixels,
    "selected": _selected,
    "score": _score,
}


def sorted_positions(value_N: np.ndarray, falls: bool) -> np.ndarray:
    """Return positions by value, ties in the cache's order, images without a value last."""
    key_N = np.where(np.isnan(value_N), np.inf, -value_N if falls else value_N)
    order: np.ndarray = np.argsort(key_N, kind="stable")
    return order
