"""The verdict: what the rounds earned, in sentences, one table and one picture."""

from __future__ import annotations

from typing import NamedTuple

from pipeline.evaluation.over_seeds import percent_of
from pipeline.report.chains import Chain
from pipeline.report.charts.rounds import Track, rounds_chart
from pipeline.report.page.table import DASH, Cell, Row, Table, points_cell, share_cell
from pipeline.report.seed_set import Collected


class Verdict(NamedTuple):
    """The head of the page."""

    sentences: list[str]
    caution: str
    table: Table | None
    chart: str


def verdict_of(found: Collected) -> Verdict:
    """Of the last round of every chain: the last model counts, not the best."""
    problem = _missing(found)
    if problem:
        return Verdict([problem], "", None, "")
    sentences = [_sentence(found, chain) for chain in found.chains]
    return Verdict(sentences, _caution(found), _table(found), _chart(found))


def _missing(found: Collected) -> str:
    if not found.chains:
        return "No round has been evaluated yet."
    if found.source is None:
        return "There is no evaluated source-only start to compare the rounds with."
    if all(found.spread(chain.last, found.headline) is None for chain in found.chains):
        return "The evaluation split holds no labelled pixel."
    return ""


def _sentence(found: Collected, chain: Chain) -> str:
    gain = found.gain(chain.last)
    if gain is None:
        return f"{chain.label}: its last round, {chain.last}, has no {found.headline}."
    verb = "gains" if gain.mean >= 0 else "loses"
    points = f"{abs(100 * gain.mean):.1f}" + ("" if gain.deviation is None else f" ± {100 * gain.deviation:.1f}")
    closed = found.gap_closed(chain.last)
    tail = "" if closed is None else f", {100 * closed:.0f} % of the gap to the oracle"
    spread = ""
    if gain.deviation is not None:
        spread = "; more than the spread over the seeds" if gain.certain else "; within the spread over the seeds"
    count = f"{len(chain.rounds)} round{'s' if len(chain.rounds) > 1 else ''}"
    value = percent_of(found.spread(chain.last, found.headline))
    return (
        f"{chain.label} {verb} {points} points of {found.headline} in {count}: "
        f"{percent_of(found.spread(found.source, found.headline))} → {value}{tail}{spread}."
    )


def _caution(found: Collected) -> str:
    seeds = ", ".join(str(seed) for seed in found.seeds)
    words = f"One seed ({seeds}): a difference of a point or two may be chance."
    if len(found.seeds) > 1:
        words = f"Mean ± standard deviation over {len(found.seeds)} seeds ({seeds}); gains are taken seed by seed."
    words += " The last model counts, not the best."
    gap = None if found.oracle is None else found.gain(found.oracle)
    if gap is not None and gap.mean <= 0:
        words += f" The oracle is not above {found.source}: there is no gap to close."
    return words


def _table(found: Collected) -> Table:
    longest = max(len(chain.rounds) for chain in found.chains)
    columns = ["start", *(f"round {number + 1}" for number in range(longest)), "Δ", "gap closed"]
    starts = [name for name in found.names if found.kinds[name] == "start"]
    rows = [_start_row(found, name, longest) for name in starts]
    for chain in found.chains:
        cells = [share_cell(found.spread(chain.start, found.headline))]
        cells += [share_cell(found.spread(name, found.headline), strong=name == chain.last) for name in chain.rounds]
        cells += [Cell("")] * (longest - len(chain.rounds))
        rows.append(Row(chain.label, [*cells, points_cell(found.gain(chain.last)), _closed(found, chain.last)]))
    if found.oracle is not None:
        rows.append(_start_row(found, found.oracle, longest, quiet=True))
    return Table(
        f"{found.headline} on the target in percent, by method and round",
        "method",
        columns,
        rows,
        "Δ: points over source-only. Gap closed: mean Δ over the oracle's mean Δ.",
    )


def _start_row(found: Collected, name: str, longest: int, *, quiet: bool = False) -> Row:
    cells = [share_cell(found.spread(name, found.headline)), *[Cell("")] * longest]
    return Row(name, [*cells, points_cell(found.gain(name)), _closed(found, name)], quiet=quiet)


def _closed(found: Collected, name: str) -> Cell:
    closed = found.gap_closed(name)
    return DASH if closed is None else Cell(f"{100 * closed:.0f} %")


def _chart(found: Collected) -> str:
    return rounds_chart(
        f"{found.headline} over the rounds",
        [Track(chain.label, values_by_round(found, chain, found.headline)) for chain in found.chains],
        {
            name: value
            for name in (found.source, found.oracle)
            if name is not None and (value := found.spread(name, found.headline)) is not None
        },
        least=0.05,
    )


def values_by_round(found: Collected, chain: Chain, *keys: str) -> dict:
    """A value of a chain by round, its start being 0; rounds without it are left out."""
    names = enumerate([chain.start, *chain.rounds])
    spreads = {number: found.spread(name, *keys) for number, name in names}
    return {number: value for number, value in spreads.items() if value is not None}
