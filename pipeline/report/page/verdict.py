"""The verdict: gains of the rounds in sentences, one table and one chart."""

from __future__ import annotations

from typing import NamedTuple

from pipeline.evaluation.over_seeds import percent_of
from pipeline.report.chains import Chain
from pipeline.report.charts.rounds import Track, rounds_chart
from pipeline.report.page.table import DASH, Cell, Row, Table, points_cell, share_cell
from pipeline.report.seed_set import SeedSet


class Verdict(NamedTuple):
    """The head of the page."""

    sentences: list[str]
    caution: str
    table: Table | None
    chart: str


def verdict_of(seed_set: SeedSet) -> Verdict:
    """Return the verdict on the last round of every chain: the last model counts, not the best."""
    problem = _missing(seed_set)
    if problem:
        return Verdict([problem], "", None, "")
    sentences = [_sentence(seed_set, chain) for chain in seed_set.chains]
    return Verdict(sentences, _caution(seed_set), _table(seed_set), _chart(seed_set))


def _missing(seed_set: SeedSet) -> str:
    if not seed_set.chains:
        return "No round has been evaluated yet."
    if seed_set.source is None:
        return "There is no evaluated source-only initial model to compare the rounds with."
    if all(seed_set.spread(chain.last, seed_set.headline) is None for chain in seed_set.chains):
        return "The evaluation split holds no labelled pixel."
    return ""


def _sentence(seed_set: SeedSet, chain: Chain) -> str:
    gain = seed_set.gain(chain.last)
    if gain is None:
        return f"{chain.label}: its last round, {chain.last}, has no {seed_set.headline}."
    verb = "gains" if gain.mean >= 0 else "loses"
    points = percent_of(gain._replace(mean=abs(gain.mean)))
    closed = seed_set.gap_closed(chain.last)
    tail = "" if closed is None else f", {100 * closed:.0f} % of the gap to the oracle"
    spread = ""
    if gain.deviation is not None:
        spread = "; more than the spread over the seeds" if gain.certain else "; within the spread over the seeds"
    count = f"{len(chain.rounds)} round{'s' if len(chain.rounds) > 1 else ''}"
    value = percent_of(seed_set.spread(chain.last, seed_set.headline))
    return (
        f"{chain.label} {verb} {points} points of {seed_set.headline} in {count}: "
        f"{percent_of(seed_set.spread(seed_set.source, seed_set.headline))} → {value}{tail}{spread}."
        f"{control_sentence(seed_set, chain.last)}"
    )


def control_sentence(seed_set: SeedSet, name: str) -> str:
    """Return how a round compares with its control, beginning with a space; empty without an evaluated control."""
    control = seed_set.controls.get(name)
    gain = None if control is None else seed_set.gain(name, control)
    if control is None or gain is None:
        return ""
    side = "above" if gain.mean >= 0 else "below"
    meaning = (
        "more than training on the source alone earns" if gain.mean > 0 else "more training on the source earns as much"
    )
    if gain.deviation is not None and not gain.certain:
        meaning = "no more than the spread over the seeds"
    points = percent_of(gain._replace(mean=abs(gain.mean)))
    compared = f"It is {points} points {side} its control ({control}), the same initial model trained for as many steps"
    return f" {compared}: {meaning}."


def _caution(seed_set: SeedSet) -> str:
    seeds = ", ".join(str(seed) for seed in seed_set.seeds)
    words = f"One seed ({seeds}): a difference of a point or two may be chance."
    if len(seed_set.seeds) > 1:
        words = f"Mean ± standard deviation over {len(seed_set.seeds)} seeds ({seeds}); gains are taken seed by seed."
    words += " The last model counts, not the best."
    gap = None if seed_set.oracle is None else seed_set.gain(seed_set.oracle)
    if gap is not None and gap.mean <= 0:
        words += f" The oracle is not above {seed_set.source}: there is no gap to close."
    return words


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
        f"{seed_set.headline} on the target in percent, by method and round",
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
        f"{seed_set.headline} over the rounds",
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
