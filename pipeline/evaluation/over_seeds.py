"""Means and standard deviations over seeds, and how they are written."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from pipeline.evaluation.results import Result


class Spread(NamedTuple):
    """Mean and standard deviation (n - 1) of one value per seed; None for the deviation of a single value."""

    mean: float
    deviation: float | None
    seeds: int

    @property
    def certain(self) -> bool:
        """Whether the mean differs from 0 by more than one standard deviation of several seeds."""
        return self.deviation is not None and abs(self.mean) > self.deviation


def spread(values: Iterable[float | None]) -> Spread | None:
    """Return the spread of the values that are known; None if none is."""
    known = [value for value in values if value is not None]
    if not known:
        return None
    return Spread(statistics.fmean(known), statistics.stdev(known) if len(known) > 1 else None, len(known))


def difference(values: Iterable[float | None], others: Iterable[float | None]) -> Spread | None:
    """Return the spread of the differences seed by seed (``values`` minus ``others``), where both are known."""
    pairs = zip(values, others, strict=True)
    return spread(value - other for value, other in pairs if value is not None and other is not None)


def percent(value: float | None, *, signed: bool = False) -> str:
    """Return a share in percent with one decimal, or a dash."""
    if value is None:
        return "–"
    return f"{100 * value:+.1f}" if signed else f"{100 * value:.1f}"


def plus_minus(value: Spread, text: Callable[[float], str] = percent) -> str:
    """Return ``± 0.7``; nothing for a single seed."""
    return "" if value.deviation is None else f"± {text(value.deviation)}"


def percent_of(value: Spread | None, *, signed: bool = False) -> str:
    """Return ``28.9 ± 0.7`` in percent; the mean alone for a single seed; a dash for None."""
    return "–" if value is None else f"{percent(value.mean, signed=signed)} {plus_minus(value)}".rstrip()


def results_table(by_seed: Mapping[int, Iterable[Result]]) -> list[dict[str, Any]]:
    """Return one row for each run: its name, method, number of seeds, and each metric as ``percent_of`` writes it."""
    by_name: dict[str, list[Result]] = {}
    for results in by_seed.values():
        for result in results:
            by_name.setdefault(result.name, []).append(result)
    return [
        {
            "run": name,
            "method": results[0].kind,
            "seeds": len(results),
            **{
                metric: percent_of(spread(result.metrics.get(metric) for result in results))
                for metric in results[0].metrics
            },
        }
        for name, results in by_name.items()
    ]
