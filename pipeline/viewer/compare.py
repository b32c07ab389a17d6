"""Two runs compared in figures: results, thresholds, selections, and the predictions in their caches."""

# C class

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from pipeline.common.errors import ReadableError
from pipeline.evaluation.results import Result, read_result
from pipeline.viewer.files import RUNS
from pipeline.viewer.run_view import RunView
from pipeline.viewer.source import classes_differ


class ClassPair(NamedTuple):
    """One class in both runs; None where a run has no value."""

    name: str
    iou: tuple[float | None, float | None]
    threshold: tuple[float | None, float | None]
    share: tuple[float | None, float | None]
    """Of all pixels, as predicted in the caches."""


class Comparison(NamedTuple):
    """What differs between two runs."""

    names: tuple[str, str]
    networks: tuple[str, str]
    """The runs whose networks filled the caches; empty without a cache, or where it does not record it."""
    results: tuple[Result | None, Result | None]
    metrics: dict[str, tuple[float | None, float | None]]
    classes: list[ClassPair]
    entropy: tuple[float | None, float | None]
    """Mean, in units of ln C."""
    selected: tuple[int, int, int] | None
    """Images that the first, the second and both selected; None where one has no selection."""
    params: dict[str, tuple[Any, Any]]
    """The keys by which their entries in params.yaml differ."""
    before: list[str]
    """The names of those whose evaluation is left out, because it is of an earlier cache or selection."""


def compare_runs(first: RunView, second: RunView, entries: dict[str, dict[str, Any]]) -> Comparison:
    """Return what differs between two runs, whose ``entries`` in params.yaml are given by name.

    Raises:
        ReadableError: if neither is evaluated, and they do not both have a cache.
    """
    runs = (first, second)
    evaluated = [read_result(RUNS / run.name, run.kind) for run in runs]
    before = [run.name for run, result in zip(runs, evaluated, strict=True) if result and run.is_outdated(result)]
    one, other = (None if run.name in before else result for run, result in zip(runs, evaluated, strict=True))
    results = (one, other)
    if not any(evaluated) and not (first.has_images and second.has_images):
        raise ReadableError(
            f"{first.name} and {second.name}: neither is evaluated, and they do not both have a cache; run `dvc repro`"
        )
    metrics = {
        name: (_metric(results[0], name), _metric(results[1], name))
        for name in dict.fromkeys(name for result in results if result for name in result.metrics)
    }
    for what in ("coverage", "precision"):
        pair = (_pseudo(results[0], what), _pseudo(results[1], what))
        if any(value is not None for value in pair):
            metrics[f"pseudo-label {what}"] = pair
    selected = None
    if first.selection and second.selection:
        ids = [set(run.selection.images) for run in runs if run.selection]
        selected = (len(ids[0]), len(ids[1]), len(ids[0] & ids[1]))
    mine, theirs = (entries.get(run.name, {}) for run in runs)
    params = {
        key: (mine.get(key), theirs.get(key))
        for key in dict.fromkeys([*mine, *theirs])
        if mine.get(key) != theirs.get(key)
    }
    return Comparison(
        (first.name, second.name),
        (_network(first), _network(second)),
        results,
        metrics,
        _classes(runs, results),
        (_mean_entropy(first), _mean_entropy(second)),
        selected,
        params,
        before,
    )


def _classes(runs: tuple[RunView, RunView], results: tuple[Result | None, Result | None]) -> list[ClassPair]:
    names = dict.fromkeys(name for result in results if result for name in result.class_iou)
    names |= dict.fromkeys(name for run in runs if run.has_images for name in run.classes.names)
    thresholds, shares = [_thresholds(run) for run in runs], [_shares(run) for run in runs]
    ious = [result.class_iou if result else {} for result in results]
    return [
        ClassPair(
            name,
            (ious[0].get(name), ious[1].get(name)),
            (thresholds[0].get(name), thresholds[1].get(name)),
            (shares[0].get(name), shares[1].get(name)),
        )
        for name in names
    ]


def _thresholds(run: RunView) -> dict[str, float]:
    if run.selection is None:
        return {}
    pairs = zip(run.selection.class_names, run.selection.threshold_C, strict=True)
    return {name: float(value) for name, value in pairs if not math.isnan(value)}


def _shares(run: RunView) -> dict[str, float]:
    if not run.has_images:
        return {}
    count_C = run.index.statistic("pixel_count").sum(axis=0)
    return {
        name: int(count) / max(1, int(count_C.sum())) for name, count in zip(run.classes.names, count_C, strict=True)
    }


def _mean_entropy(run: RunView) -> float | None:
    if not run.has_images:
        return None
    return float(np.mean(run.index.statistic("entropy_mean"))) / math.log(run.index.spec.classes)


def _network(run: RunView) -> str:
    return run.network if run.has_images else ""


def _metric(result: Result | None, name: str) -> float | None:
    return result.metrics.get(name) if result else None


def _pseudo(result: Result | None, what: str) -> float | None:
    return result.pseudo_labels.get(what) if result else None


def most_changed(first: RunView, second: RunView, count: int) -> list[tuple[str, float]]:
    """Return the images whose predictions differ most, with the share of pixels that differ; reads all of both caches.

    Returns:
        Pairs of id and share, largest first; empty if the caches are not of the same size and classes.
    """
    if count < 1 or not (first.has_images and second.has_images):
        return []
    if first.index.spec.size != second.index.spec.size or classes_differ(first, second):
        return []
    there = set(second.index.image_ids)
    common = [image_id for image_id in first.index.image_ids if image_id in there]
    shares = {image_id: float((first.label(image_id) != second.label(image_id)).mean()) for image_id in common}
    return sorted(shares.items(), key=lambda pair: -pair[1])[:count]
