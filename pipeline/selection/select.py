"""From a cache to a selection: one entry for each method."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from pipeline.cache.index import CacheIndex
from pipeline.cache.reader import CacheReader
from pipeline.selection.cbst import exact_thresholds
from pipeline.selection.lse import ClassStatistics, select
from pipeline.selection.result import Compat, Selection, write_selection

Details = dict[str, object]


def select_lse(cache: Path, portion: float, compat: Compat) -> tuple[Selection, Details]:
    """LSE's class-based sorting and entropy thresholds. Reads statistics only."""
    index = CacheIndex(cache)
    statistics = ClassStatistics(
        index.statistic("pixel_count"),
        index.statistic("confidence_sum"),
        index.statistic("entropy_sum"),
        index.statistic("entropy_min"),
        index.statistic("entropy_max"),
    )
    answer = select(statistics, index.image_ids, portion, compat)
    names = list(index.spec.class_names)
    selection = Selection("lse", compat, names, [index.image_ids[image] for image in answer.images], answer.threshold_C)
    details: Details = {
        "selected_per_class": dict(zip(names, answer.selected_per_class, strict=True)),
        "threshold_from": {
            name: None if pivot is None else index.image_ids[pivot]
            for name, pivot in zip(names, answer.pivot, strict=True)
        },
        "scores": _mean_confidences(index, answer.images),
    }
    return selection, details


def select_cbst(cache: Path, portion: float, compat: Compat) -> tuple[Selection, Details]:
    """CBST's thresholds on confidence; every image is selected, and what of it is trusted its label says."""
    reader = CacheReader(cache)
    threshold_C = exact_thresholds(reader, portion, compat)
    names = list(reader.spec.class_names)
    selection = Selection("cbst", compat, names, list(reader.image_ids), threshold_C)
    pixels_C = reader.index.statistic("pixel_count").sum(axis=0)
    details: Details = {
        "pixels_per_class": {name: int(count) for name, count in zip(names, pixels_C, strict=True)},
        "scores": _mean_confidences(reader.index, list(range(len(reader)))),
    }
    return selection, details


METHODS: dict[str, Callable[[Path, float, Compat], tuple[Selection, Details]]] = {
    "lse": select_lse,
    "cbst": select_cbst,
}


def select_from_cache(method: str, cache: Path, portion: float, compat: Compat, destination: Path) -> Selection:
    """Runs a method's selection on a cache and writes selection.json."""
    selection, details = METHODS[method](cache, portion, compat)
    write_selection(destination, selection, {"portion": portion, **details})
    return selection


def _mean_confidences(index: CacheIndex, images: list[int]) -> dict[str, float]:
    confidence_N = index.statistic("confidence_sum").sum(axis=1) / np.prod(index.spec.size)
    return {index.image_ids[image]: float(confidence_N[image]) for image in images}
