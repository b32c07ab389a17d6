"""From a cache to a selection: one entry for each method."""

from __future__ import annotations

from pathlib import Path

from pipeline.cache.index import CacheIndex
from pipeline.selection.lse import ClassStatistics, select
from pipeline.selection.result import Compat, Selection, write_selection


def select_lse(index: CacheIndex, portion: float, compat: Compat, destination: Path) -> Selection:
    """Runs LSE's class-based sorting on a cache and writes selection.json. Reads statistics only."""
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
    confidence_N = statistics.confidence_sum_NC.sum(axis=1) / statistics.pixel_count_NC.sum(axis=1)
    details = {
        "portion": portion,
        "selected_per_class": dict(zip(names, answer.selected_per_class, strict=True)),
        "threshold_from": {
            name: None if pivot is None else index.image_ids[pivot]
            for name, pivot in zip(names, answer.pivot, strict=True)
        },
        "scores": {index.image_ids[image]: float(confidence_N[image]) for image in answer.images},
    }
    write_selection(destination, selection, details)
    return selection
