"""What became of each class, and of every run in numbers."""

from __future__ import annotations

from pipeline.evaluation.over_seeds import Spread
from pipeline.report.charts.bars import class_bars
from pipeline.report.page.table import DASH, Cell, Row, Table, amount, points_cell, share_cell
from pipeline.report.seed_set import Collected


def runs_table(found: Collected) -> Table:
    """Every start and round with all its metrics."""
    metrics: list[str] = found.bundles[0].record["metrics"]
    names = [metric.replace("_", " ") for metric in metrics]
    columns = ["method", "begins with", *names, f"Δ {found.headline}", "gap closed", "coverage", "precision"]
    return Table(
        "All starts and rounds on the target, in percent",
        "run",
        columns,
        [_run_row(found, name, metrics) for name in found.names],
        "Coverage: share of the selected images' pixels that got a pseudo-label. Precision: share of the pseudo-labels "
        "that are right. Both are read from labels after training.",
    )


def _run_row(found: Collected, name: str, metrics: list[str]) -> Row:
    closed = found.gap_closed(name)
    cells = [
        Cell(found.kinds[name]),
        Cell(found.inits.get(name, "–")),
        *(share_cell(found.spread(name, metric)) for metric in metrics),
        points_cell(found.gain(name)),
        DASH if closed is None else Cell(f"{100 * closed:.0f} %"),
        share_cell(found.spread(name, "pseudo_labels", "coverage")),
        share_cell(found.spread(name, "pseudo_labels", "precision")),
    ]
    return Row(name, cells, quiet=found.kinds[name] == "oracle")


def class_table(found: Collected) -> Table:
    """IoU of each class; the best among adapted runs and starts is strong."""
    rows = []
    for name in found.evaluated:
        values = {run: found.spread(run, "IoU", name) for run in found.names}
        best = max((value.mean for run, value in values.items() if value and found.kinds[run] != "oracle"), default=0.0)
        rows.append(
            Row(
                name,
                [
                    share_cell(
                        value,
                        "" if value is None else amount(value.mean),
                        strong=value is not None and 0.0005 <= best == value.mean and found.kinds[run] != "oracle",
                    )
                    for run, value in values.items()
                ],
                swatch=rgb(found.colour(name)),
            )
        )
    return Table("IoU, percent", "class", found.names, rows, "Bold: the best without the oracle.")


def bars(found: Collected) -> str:
    """Source-only, the last round of each chain, and the oracle, class by class."""

    def column(name: str) -> list[Spread | None]:
        return [found.spread(name, "IoU", class_name) for class_name in found.evaluated]

    base = {} if found.source is None else {found.source: column(found.source)}
    tracks = {_bar_name(chain.label, chain.last): column(chain.last) for chain in found.chains}
    oracle = None if found.oracle is None else column(found.oracle)
    return class_bars("IoU of each class in percent", found.evaluated, base, tracks, oracle)


def _bar_name(label: str, last: str) -> str:
    return label if last in label else f"{label} ({last})"


def rgb(colour: list[int]) -> str:
    """A palette's colour for CSS."""
    return f"rgb({colour[0]} {colour[1]} {colour[2]})"
