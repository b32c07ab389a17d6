"""The verdict: four questions with their answers, one table and one chart."""

from __future__ import annotations

from typing import NamedTuple

from pipeline.report.answers import Answers, answers_of
from pipeline.report.chains import Chain
from pipeline.report.charts.rounds import Track, rounds_chart
from pipeline.report.page.table import DASH, Cell, Row, Table, points_cell, share_cell
from pipeline.report.seed_set import SeedSet


class Verdict(NamedTuple):
    """The head of the page."""

    answers: Answers
    table: Table | None
    chart: str


def verdict_of(seed_set: SeedSet) -> Verdict:
    """Return the answers, and where there is a round to compare its results by round as a table and a chart."""
    answers = answers_of(seed_set)
    if not answers.caution:
        return Verdict(answers, None, "")
    return Verdict(answers, _table(seed_set), _chart(seed_set))


def _table(seed_set: SeedSet) -> Table:
    longest = max(len(chain.rounds) for chain in seed_set.chains)
    columns = ["initial", *(f"round {number + 1}" for number in range(longest)), "Δ", "gap closed"]
    initial_models = [name for name in seed_set.names if seed_set.kinds[name] == "initial"]
    rows = [_start_row(seed_set, name, longest) for name in initial_models]
    for chain in seed_set.chains:
        cells = [share_cell(seed_set.spread(chain.initial, seed_set.headline))]
        cells += [
            share_cell(seed_set.spread(name, seed_set.headline), strong=name == chain.last) for name in chain.rounds
        ]
        cells += [Cell("")] * (longest - len(chain.rounds))
        rows.append(Row(chain.label, [*cells, points_cell(seed_set.gain(chain.last)), _closed(seed_set, chain.last)]))
    if seed_set.oracle is not None:
        rows.append(_start_row(seed_set, seed_set.oracle, longest, quiet=True))
    return Table(
        f"{seed_set.headline_in_words} on the target in percent, by method and round",
        "method",
        columns,
        rows,
        "Δ: points over source-only. Gap closed: mean Δ over the oracle's mean Δ.",
    )


def _start_row(seed_set: SeedSet, name: str, longest: int, *, quiet: bool = False) -> Row:
    cells = [share_cell(seed_set.spread(name, seed_set.headline)), *[Cell("")] * longest]
    return Row(name, [*cells, points_cell(seed_set.gain(name)), _closed(seed_set, name)], quiet=quiet)


def _closed(seed_set: SeedSet, name: str) -> Cell:
    closed = seed_set.gap_closed(name)
    return DASH if closed is None else Cell(f"{100 * closed:.0f} %")


def _chart(seed_set: SeedSet) -> str:
    return rounds_chart(
        f"{seed_set.headline_in_words} over the rounds",
        [Track(chain.label, values_by_round(seed_set, chain, seed_set.headline)) for chain in seed_set.chains],
        {
            name: value
            for name in (seed_set.source, seed_set.oracle)
            if name is not None and (value := seed_set.spread(name, seed_set.headline)) is not None
        },
        least=0.05,
    )


def values_by_round(seed_set: SeedSet, chain: Chain, *keys: str) -> dict:
    """Return a value of a chain by round (0 is its initial model); rounds without it are left out."""
    names = enumerate([chain.initial, *chain.rounds])
    spreads = {number: seed_set.spread(name, *keys) for number, name in names}
    return {number: value for number, value in spreads.items() if value is not None}
