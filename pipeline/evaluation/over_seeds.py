"""Means and spreads over seeds."""

from __future__ import annotations

import statistics
from collections.abc import Iterable
from typing import NamedTuple


class Spread(NamedTuple):
    """Mean and standard deviation (n - 1) of one value per seed; the deviation of a single one is not known."""

    mean: float
    deviation: float | None
    seeds: int

    @property
    def certain(self) -> bool:
        """Whether the mean differs from 0 by more than one standard deviation of several seeds."""
        return self.deviation is not None and abs(self.mean) > self.deviation


def spread(values: Iterable[float | None]) -> Spread | None:
    """Of the values that are known; None where none is."""
    known = [value for value in values if value is not None]
    if not known:
        return None
    return Spread(statistics.fmean(known), statistics.stdev(known) if len(known) > 1 else None, len(known))


def difference(values: Iterable[float | None], others: Iterable[float | None]) -> Spread | None:
    """Of the differences seed by seed (``values`` minus ``others``), where both are known."""
    pairs = zip(values, others, strict=True)
    return spread(value - other for value, other in pairs if value is not None and other is not None)


def percent(value: float | None) -> str:
    """A share in percent with one decimal, or a dash."""
    return "–" if value is None else f"{100 * value:.1f}"


def percent_of(found: Spread | None, *, signed: bool = False) -> str:
    """``28.9 ± 0.7`` in percent; without a deviation of one seed; a dash of none."""
    if found is None:
        return "–"
    mean = f"{100 * found.mean:+.1f}" if signed else f"{100 * found.mean:.1f}"
    return mean if found.deviation is None else f"{mean} ± {100 * found.deviation:.1f}"
