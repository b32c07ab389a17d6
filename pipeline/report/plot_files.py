"""report/plots/: the record's numbers as flat tables, for `dvc plots` (dvc.yaml says how they are drawn)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from pipeline.common.files import write_json
from pipeline.report.charts.confusion import shares_of
from pipeline.report.seed_set import Bundle, SeedSet

Rows = list[dict[str, Any]]


def write_plot_files(record: dict[str, Any], folder: Path) -> None:
    """Write rounds.json, coverage.json, precision.json, classes.json, confusion.json; in percent."""
    seed_set = SeedSet([Bundle(record, {}, {}, folder)])
    write_json(folder / "rounds.json", _by_round(seed_set, seed_set.headline))
    for what in ("coverage", "precision"):
        write_json(folder / f"{what}.json", _by_round(seed_set, "pseudo_labels", what))
    write_json(folder / "classes.json", _classes(seed_set))
    write_json(folder / "confusion.json", _confusion(seed_set))


def _by_round(seed_set: SeedSet, *keys: str) -> Rows:
    return [
        {"chain": chain.label, "run": name, "round": number, "percent": 100 * value}
        for chain in seed_set.chains
        for number, name in enumerate([chain.initial, *chain.rounds])
        if (value := seed_set.values(name, *keys)[0]) is not None
    ]


def _classes(seed_set: SeedSet) -> Rows:
    return [
        {"run": name, "class": class_name, "IoU": 100 * value}
        for class_name in seed_set.evaluated
        for name in seed_set.names
        if (value := seed_set.values(name, "IoU", class_name)[0]) is not None
    ]


def _confusion(seed_set: SeedSet) -> Rows:
    """Every cell, so that classes keep their order; null in the rows of classes without pixels."""
    rows: Rows = []
    for name in seed_set.names:
        confusion = seed_set.runs(name)[0].get("confusion")
        if confusion is None:
            continue
        share_CC = shares_of(np.array(confusion, dtype=np.int64))
        rows += [
            {"run": name, "truth": truth, "prediction": prediction, "percent": _percent(share_CC[true, predicted])}
            for true, truth in enumerate(seed_set.evaluated)
            for predicted, prediction in enumerate(seed_set.evaluated)
        ]
    return rows


def _percent(share: float) -> float | None:
    return None if np.isnan(share) else round(100 * float(share), 2)
