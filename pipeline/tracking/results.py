"""What runs/NAME holds for a tracker: the curves of the training, and what the evaluation has written."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path

from pipeline.common.files import read_json
from pipeline.tracking.tracker import Results


def results_in(folder: Path) -> Results:
    """Return metrics, the table of the classes and the gallery of a run's folder."""
    metrics = read_json(folder / "metrics.json")
    table = read_json(folder / "per_class.json")
    columns = list(dict.fromkeys(column for row in table.values() for column in row))
    numbers = {name: value for name, value in metrics.items() if _is_number(value)}
    pseudo_labels = metrics.get("pseudo_labels") or {}
    numbers |= {
        f"pseudo_labels/{key}": pseudo_labels[key]
        for key in ("coverage", "precision")
        if _is_number(pseudo_labels.get(key))
    }
    return Results(
        numbers,
        ["class", *columns],
        [[name, *(row.get(column) for column in columns)] for name, row in table.items()],
        {path.stem: path for path in sorted((folder / "gallery").glob("*.png"))},
    )


def _is_number(value: object) -> bool:
    return isinstance(value, int | float)


def curves_in(folder: Path) -> dict[int, dict[str, float]]:
    """Return the points of all curves of a run's folder by their steps, in order."""
    points: dict[int, dict[str, float]] = defaultdict(dict)
    for path in sorted((folder / "curves").rglob("*.tsv")):
        name = path.relative_to(folder / "curves").with_suffix("").as_posix()
        for line in path.read_text(encoding="utf-8").splitlines()[1:]:
            step, value = line.split("\t")
            points[int(step)][name] = json.loads(value)
    return dict(sorted(points.items()))
