"""The results of all starts and rounds in one table."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from pipeline.common.errors import ReadableError
from pipeline.common.files import read_json


class Result(NamedTuple):
    """One row: a start or a round."""

    name: str
    kind: str
    """``start``, ``oracle`` or the round's method."""
    metrics: dict[str, float | None]
    class_iou: dict[str, float | None]
    pseudo_labels: dict[str, float | None]
    """images, coverage and precision of a round's pseudo-labels; empty where unknown."""
    class_pseudo_labels: dict[str, dict[str, float | None]]
    selection: str = ""
    """Fingerprint of the cache and the selection that the pseudo-labels were of; empty where unknown."""


def read_result(folder: Path, kind: str) -> Result | None:
    """What ``evaluate`` wrote into a run's folder; None before it has. Raises ReadableError for a damaged file."""
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
        found = read_json(path)
    except ValueError as error:  # also of bytes that are no UTF-8
        raise ReadableError(f"{path}: cannot be read ({error}); run `dvc repro` again") from None
    if not isinstance(found, dict):
        raise ReadableError(f"{path}: cannot be read (it is no table); run `dvc repro` again")
    return found


def read_results(runs: Path, kinds: dict[str, str]) -> list[Result]:
    """The results of the named runs that have been evaluated, in that order; ``kinds`` maps a name to its kind."""
    found = [read_result(runs / name, kind) for name, kind in kinds.items()]
    return [result for result in found if result is not None]


def gap_closed(value: float | None, source: float | None, oracle: float | None) -> float | None:
    """Share of the gap between source-only and the oracle that is closed; None without an oracle above source-only."""
    if value is None or source is None or oracle is None or oracle <= source:
        return None
    return (value - source) / (oracle - source)


def baseline(results: list[Result], kind: str, metric: str) -> float | None:
    """The metric of the first run of a kind (``start``, ``oracle``)."""
    return next((result.metrics.get(metric) for result in results if result.kind == kind), None)
