"""Tables and bars of the classes, and the table of all runs."""

from __future__ import annotations

from pipeline.evaluation.over_seeds import Spread
from pipeline.evaluation.results import metric_in_words
from pipeline.report.answers import LOST
from pipeline.report.charts.bars import class_bars
from pipeline.report.page.health import has_verdicts, verdict_cell
from pipeline.report.page.table import DASH, Cell, Row, Table, amount, balance, points_cell, share_cell
from pipeline.report.seed_set import SeedSet

_LOST = balance(-1.0)


def runs_table(seed_set: SeedSet) -> Table:
    """Return the table of every initial model and round with all its metrics."""
    metrics: list[str] = seed_set.bundles[0].record["metrics"]
    names = [metric_in_words(metric) for metric in metrics]
    columns = [
        "method",
        "begins with",
        *names,
        f"Δ {seed_set.headline_in_words}",
        "gap closed",
        "coverage",
        "precision",
    ]
    rows = [_run_row(seed_set, name, metrics) for name in seed_set.names]
    note = (
        "Coverage: share of the selected images' pixels that got a pseudo-label. Precision: share of the pseudo-labels "
        "that are right. Both are read from labels after training." + _averages(seed_set)
    )
    if has_verdicts(seed_set):
        columns.append("verdict")
        rows = [row._replace(cells=[*row.cells, verdict_cell(seed_set, row.head)]) for row in rows]
        note += " Verdict: the one without labels of the target, on the network that the round trained."
    return Table("All initial models and rounds on the target, in percent", "run", columns, rows, note)


def _averages(seed_set: SeedSet) -> str:
    """Return which models are averages of the weights over their training, as a sentence; empty without any."""
    decays = {name: decay.mean for name in seed_set.names if (decay := seed_set.spread(name, "ema")) is not None}
    if not decays:
        return ""
    listed = ", ".join(f"{name} ({decay:.4g})" for name, decay in decays.items())
    return f" Exponential moving averages of the weights (decay): {listed}."


def _run_row(seed_set: SeedSet, name: str, metrics: list[str]) -> Row:
    closed = seed_set.gap_closed(name)
    cells = [
        Cell(seed_set.kinds[name]),
        Cell(seed_set.inits.get(name, "–")),
        *(share_cell(seed_set.spread(name, metric)) for metric in metrics),
        points_cell(seed_set.gain(name)),
        DASH if closed is None else Cell(f"{100 * closed:.0f} %"),
        share_cell(seed_set.spread(name, "pseudo_labels", "coverage")),
        share_cell(seed_set.spread(name, "pseudo_labels", "precision")),
    ]
    return Row(name, cells, quiet=seed_set.kinds[name] == "oracle")


def class_table(seed_set: SeedSet) -> Table:
    """Return the IoU of each class and run, and its difference to source-only after the last round of each chain."""
    chains = seed_set.chains if seed_set.source is not None else []
    return Table(
        "IoU, percent",
        "class",
        [*seed_set.names, *(f"Δ {chain.label}" for chain in chains)],
        [_class_row(seed_set, name, [chain.last for chain in chains]) for name in seed_set.evaluated],
        "Bold: the best without the oracle." + (_about_differences(seed_set.source) if chains else ""),
    )


def _about_differences(source: str | None) -> str:
    return f" Δ: points over {source} after the last round; orange: more than {100 * LOST:.0f} points lost."


def _class_row(seed_set: SeedSet, name: str, last_rounds: list[str]) -> Row:
    values = {run: seed_set.spread(run, "IoU", name) for run in seed_set.names}
    best = max((value.mean for run, value in values.items() if value and seed_set.kinds[run] != "oracle"), default=0.0)
    cells = [
        share_cell(
            value,
            "" if value is None else amount(value.mean),
            strong=value is not None and 0.0005 <= best == value.mean and seed_set.kinds[run] != "oracle",
        )
        for run, value in values.items()
    ]
    gains = [seed_set.class_gain(run, name) for run in last_rounds]
    cells += [points_cell(gain)._replace(shade=_LOST if gain and gain.mean < -LOST else "") for gain in gains]
    return Row(name, cells, swatch=rgb(seed_set.colour(name)))


def bars(seed_set: SeedSet) -> str:
    """Return bars of source-only, the last round of each chain, and the oracle for each class."""

    def column(name: str) -> list[Spread | None]:
        return [seed_set.spread(name, "IoU", class_name) for class_name in seed_set.evaluated]

    base = {} if seed_set.source is None else {seed_set.source: column(seed_set.source)}
    tracks = {_bar_name(chain.label, chain.last): column(chain.last) for chain in seed_set.chains}
    oracle = None if seed_set.oracle is None else column(seed_set.oracle)
    return class_bars("IoU of each class in percent", seed_set.evaluated, base, tracks, oracle)


def _bar_name(label: str, last: str) -> str:
    return label if last in label else f"{label} ({last})"


def rgb(colour: list[int]) -> str:
    """Return a palette's colour for CSS."""
    return f"rgb({colour[0]} {colour[1]} {colour[2]})"
