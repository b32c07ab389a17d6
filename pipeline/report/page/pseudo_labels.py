"""Pseudo-labels of the rounds: thresholds, coverage, precision, and how often each class occurs in them."""

from __future__ import annotations

import math

from pipeline.evaluation.over_seeds import Spread, plus_minus, spread
from pipeline.report.charts.rounds import Track, rounds_chart
from pipeline.report.page.classes import rgb
from pipeline.report.page.table import DASH, Cell, Row, Table, amount, balance, share_cell
from pipeline.report.page.verdict import values_by_round
from pipeline.report.seed_set import SeedSet

_KEPT = {
    "share of ln C": "pixels of lower entropy (as a share of ln C)",
    "entropy within its class in the image": "pixels of lower entropy (0 to 1 within their class in their image)",
    "nats": "pixels of lower entropy (nats)",
    "probability": "pixels of larger probability",
}
"""Which pixels a threshold keeps, by its unit."""


def quality_charts(seed_set: SeedSet) -> list[str]:
    """Return charts of coverage and precision of each chain over its rounds."""
    return [
        chart
        for what in ("coverage", "precision")
        if (
            chart := rounds_chart(
                f"{what} of the pseudo-labels",
                [
                    Track(chain.label, values_by_round(seed_set, chain, "pseudo_labels", what))
                    for chain in seed_set.chains
                ],
                {},
                least=0.2,
            )
        )
    ]


def tables(seed_set: SeedSet) -> list[Table]:
    """Return tables of thresholds, coverage, precision and frequencies, as far as anything is known."""
    rounds = [name for name in seed_set.names if name in seed_set.inits]
    candidates = [
        _thresholds(seed_set, rounds),
        *(_quality(seed_set, rounds, what) for what in ("coverage", "precision")),
        frequencies(seed_set, rounds),
    ]
    return [table for table in candidates if table is not None]


def _thresholds(seed_set: SeedSet, rounds: list[str]) -> Table | None:
    units = {name: _unit(seed_set, name) for name in rounds}
    rounds = [name for name in rounds if units[name]]
    if not rounds:
        return None
    rows = [
        Row(name, [_number(_threshold(seed_set, run, name)) for run in rounds], swatch=rgb(colour))
        for name, colour in zip(seed_set.class_names, seed_set.palette, strict=True)
    ]
    note = ". ".join(
        f"{', '.join(dict.fromkeys(seed_set.kinds[name].upper() for name in rounds if units[name] == unit))} keeps "
        f"{_KEPT.get(unit, unit)}"
        for unit in dict.fromkeys(units[name] for name in rounds)
    )
    return Table("Thresholds", "class", rounds, rows, f"{note}. –: the class has none in this round.")


def _threshold(seed_set: SeedSet, run: str, class_name: str) -> Spread | None:
    """Over the seeds; without those in which LSE gives 0 to a class because it is predicted nowhere."""
    values = seed_set.values(run, "selection", "thresholds", class_name)
    pixels = seed_set.values(run, "cache", "predicted_pixels", class_name)
    return spread(value for value, count in zip(values, pixels, strict=True) if (value, count) != (0, 0))


def _unit(seed_set: SeedSet, name: str) -> str:
    for run in seed_set.runs(name):
        selection = run.get("selection")
        if selection and any(value is not None for value in selection["thresholds"].values()):
            return selection["unit"] or ""
    return ""


def _number(value: Spread | None) -> Cell:
    return DASH if value is None else Cell(f"{value.mean:.3f}", plus_minus(value, "{:.3f}".format))


def _quality(seed_set: SeedSet, rounds: list[str], what: str) -> Table | None:
    rows = []
    for name, colour in zip(seed_set.class_names, seed_set.palette, strict=True):
        values = [seed_set.spread(run, "class_pseudo_labels", name, what) for run in rounds]
        cells = [share_cell(value, "" if value is None else amount(value.mean)) for value in values]
        rows.append(Row(name, cells, swatch=rgb(colour)))
    if all(cell is DASH for row in rows for cell in row.cells):
        return None
    words = {
        "coverage": "The share of the class's true pixels, in the selected images, that got any pseudo-label.",
        "precision": "The share of the class's pseudo-labels that are right. –: there are none.",
    }
    return Table(f"{what.capitalize()}, percent", "class", rounds, rows, words[what])


def frequencies(seed_set: SeedSet, rounds: list[str]) -> Table | None:
    """Return each class's share in truth, in the first network's predictions, and in each round's patches."""
    rounds = [name for name in rounds if any("patches" in run for run in seed_set.runs(name))]
    if not rounds:
        return None
    truth = [true_share(seed_set, name) for name in seed_set.class_names]
    rows = []
    for name, colour, true in zip(seed_set.class_names, seed_set.palette, truth, strict=True):
        shares = [
            _predicted_share(seed_set, rounds[0], name),
            *(_labelled_share(seed_set, run, name) for run in rounds),
        ]
        cells = [share_cell(share, _over_or_under(share, true)) for share in shares]
        rows.append(Row(name, [share_cell(true), *cells], swatch=rgb(colour)))
    columns = ["truth", f"predicted by {seed_set.inits[rounds[0]]}", *rounds]
    return Table(
        "Class frequencies, percent",
        "class",
        columns,
        rows,
        "How often each class stands among the pseudo-labels that a round learnt from. Truth: the evaluation split. "
        "Blue: more frequent than in truth, orange: less; full colour is a factor of 4. "
        "A method that balances classes does so on purpose; one that drifts does not.",
    )


def true_share(seed_set: SeedSet, class_name: str) -> Spread | None:
    """Return the share of the evaluation split's labelled pixels; None for a class that is merged there."""
    if class_name not in seed_set.evaluated:
        return None
    number, run = seed_set.evaluated.index(class_name), seed_set.names[0]
    return spread(
        sum(facts["confusion"][number]) / total
        for facts in seed_set.runs(run)
        if facts.get("confusion") and (total := sum(map(sum, facts["confusion"])))
    )


def _predicted_share(seed_set: SeedSet, run: str, class_name: str) -> Spread | None:
    caches = [
        facts["cache"]["predicted_pixels"]
        for facts in seed_set.runs(run)
        if "predicted_pixels" in facts.get("cache", {})
    ]
    return spread(counts[class_name] / sum(counts.values()) for counts in caches if sum(counts.values()))


def _labelled_share(seed_set: SeedSet, run: str, class_name: str) -> Spread | None:
    patches = [facts["patches"]["labelled_pixels"] for facts in seed_set.runs(run) if "patches" in facts]
    return spread(counts[class_name] / sum(counts.values()) for counts in patches if sum(counts.values()))


def _over_or_under(share: Spread | None, true: Spread | None) -> str:
    if share is None or true is None or true.mean == 0:
        return ""
    return balance(-1.0 if share.mean == 0 else math.log(share.mean / true.mean, 4))
