"""Confusion of the classes."""

# C class

from __future__ import annotations

import numpy as np

from pipeline.report.charts.confusion import confusion_chart, shares_of
from pipeline.report.page.table import DASH, Cell, Row, Table, amount
from pipeline.report.seed_set import SeedSet

LISTED = 12
"""Mistakes in the table."""


def shown_runs(seed_set: SeedSet) -> list[str]:
    """Return source-only, the last round of each chain, and the oracle, as far as their confusion is known."""
    names = [seed_set.source, *(chain.last for chain in seed_set.chains), seed_set.oracle]
    return [name for name in dict.fromkeys(names) if name is not None and pixels(seed_set, name) is not None]


def pixels(seed_set: SeedSet, name: str) -> np.ndarray | None:
    """Return the confusion (C,C) of a run, summed over all seeds; None where none is known."""
    known = [run["confusion"] for run in seed_set.runs(name) if run.get("confusion")]
    total_CC: np.ndarray | None = np.sum(np.array(known, dtype=np.int64), axis=0) if known else None
    return total_CC


def charts(seed_set: SeedSet) -> list[str]:
    """Return one matrix for each run that is shown."""
    return [
        confusion_chart(name, confusion_CC, seed_set.evaluated)
        for name in shown_runs(seed_set)
        if (confusion_CC := pixels(seed_set, name)) is not None
    ]


def mistakes(seed_set: SeedSet) -> Table | None:
    """Return the mistakes that cost source-only most pixels, with their shares in each run that is shown."""
    names = shown_runs(seed_set)
    if not names:
        return None
    totals = {name: pixels(seed_set, name) for name in names}
    first_CC = totals[names[0]]
    assert first_CC is not None
    wrong_CC = first_CC.copy()
    np.fill_diagonal(wrong_CC, 0)
    order = [divmod(int(cell), len(wrong_CC)) for cell in np.argsort(-wrong_CC, axis=None, kind="stable")[:LISTED]]
    rows = [
        Row(
            f"{seed_set.evaluated[true]} → {seed_set.evaluated[predicted]}",
            [_share(totals[name], true, predicted) for name in names],
        )
        for true, predicted in order
        if wrong_CC[true, predicted]
    ]
    return Table(
        f"The {len(rows)} mistakes that cost {names[0]} most",
        "truth → prediction",
        names,
        rows,
        "Percent of the true class's pixels; in the order of the pixels lost.",
    )


def _share(confusion_CC: np.ndarray | None, true: int, predicted: int) -> Cell:
    if confusion_CC is None:
        return DASH
    share = float(shares_of(confusion_CC)[true, predicted])
    return DASH if np.isnan(share) else Cell(f"{100 * share:.1f}", shade=amount(share))
