"""Which classes are taken for which.

# C class
"""

from __future__ import annotations

import numpy as np

from pipeline.report.charts.confusion import confusion_chart, shares_of
from pipeline.report.page.table import DASH, Cell, Row, Table, amount
from pipeline.report.seed_set import Collected

LISTED = 12
"""Mistakes in the table."""


def shown_runs(found: Collected) -> list[str]:
    """Source-only, the last round of each chain, and the oracle."""
    names = [found.source, *(chain.last for chain in found.chains), found.oracle]
    return [name for name in dict.fromkeys(names) if name is not None and pixels(found, name) is not None]


def pixels(found: Collected, name: str) -> np.ndarray | None:
    """The confusion (C,C) of a run over all seeds; None where none is known."""
    known = [run["confusion"] for run in found.runs(name) if run.get("confusion")]
    total_CC: np.ndarray | None = np.sum(np.array(known, dtype=np.int64), axis=0) if known else None
    return total_CC


def charts(found: Collected) -> list[str]:
    """One matrix for each run that is shown."""
    return [
        confusion_chart(name, confusion_CC, found.evaluated)
        for name in shown_runs(found)
        if (confusion_CC := pixels(found, name)) is not None
    ]


def mistakes(found: Collected) -> Table | None:
    """The mistakes that cost source-only most pixels, and what became of them."""
    names = shown_runs(found)
    if not names:
        return None
    totals = {name: pixels(found, name) for name in names}
    first_CC = totals[names[0]]
    assert first_CC is not None
    wrong_CC = first_CC.copy()
    np.fill_diagonal(wrong_CC, 0)
    order = [divmod(int(place), len(wrong_CC)) for place in np.argsort(-wrong_CC, axis=None, kind="stable")[:LISTED]]
    rows = [
        Row(
            f"{found.evaluated[true]} → {found.evaluated[predicted]}",
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
