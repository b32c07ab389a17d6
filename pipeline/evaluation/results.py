"""The results of all initial models and rounds, read from their folders."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from pipeline.common.errors import ReadableError
from pipeline.common.files import read_json


class Result(NamedTuple):
    """Results of one initial model or round."""

    name: str
    kind: str
    """``initial``, ``oracle`` or the round's method."""
    metrics: dict[str, float | None]
    class_iou: dict[str, float | None]
    pseudo_labels: dict[str, float | None]
    """``images``, ``coverage`` and ``precision`` of a round's pseudo-labels; empty where unknown."""
    class_pseudo_labels: dict[str, dict[str, float | None]]
    selection: str = ""
    """Fingerprint of the cache and the selection that the pseudo-labels were of; empty where unknown."""


def metric_in_words(name: str) -> str:
    """Return the name of a metric as tables print it: ``pixel accuracy`` of ``pixel_accuracy``."""
    return name.replace("_", " ")


def read_result(folder: Path, kind: str) -> Result | None:
    """Read what ``evaluate`` wrote into a run's folder; None before it has.

    Raises:
        ReadableError: a file is not a JSON table; the message says what to run.
    """
    if not (folder / "metrics.json").exists() or not (folder / "per_class.json").exists():
        return None
    metrics, table = _table(folder / "metrics.json"), _table(folder / "per_class.json")
    pseudo = dict(metrics.pop("pseudo_labels", {}))
    selection = str(pseudo.pop("selection", ""))
    by_class = {
        name: {what: row[f"pseudo_label_{what}"] for what in ("coverage", "precision")}
        for name, row in table.items()
        if "pseudo_label_coverage" in row
    }
    class_iou = {name: row["IoU"] for name, row in table.items()}
    return Result(folder.name, kind, metrics, class_iou, pseudo, by_class, selection)


def _table(path: Path) -> dict[str, Any]:
    try:
        table = read_json(path)
    except ValueError as error:  # also of bytes that are not UTF-8
        raise ReadableError(f"{path}: cannot be read ({error}); run `dvc repro` again") from None
    if not isinstance(table, dict):
        raise ReadableError(f"{path}: cannot be read (it is not a table); run `dvc repro` again")
    return table


def read_results(runs: Path, kinds: dict[str, str]) -> list[Result]:
    """Return the results of those runs that have been evaluated, in the order of ``kinds`` (name → kind)."""
    results = [read_result(runs / name, kind) for name, kind in kinds.items()]
    return [result for result in results if result is not None]


def gap_closed(value: float | None, source: float | None, oracle: float | None) -> float | None:
    """Return the closed share of the gap from source-only to oracle; None without an oracle above source-only."""
    if value is None or source is None or oracle is None or oracle <= source:
        return None
    return (value - source) / (oracle - source)


def baseline(results: list[Result], kind: str, metric: str) -> float | None:
    """Return the metric of the first run of a kind (``initial``, ``oracle``)."""
    return next((result.metrics.get(metric) for result in results if result.kind == kind), None)
