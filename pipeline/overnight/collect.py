"""The results of several seeds in one table."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping
from typing import Any

from pipeline.evaluation.results import Result


def results_table(by_seed: Mapping[int, Iterable[Result]]) -> list[dict[str, Any]]:
    """One row for each run: its metrics in percent, over several seeds as mean ± standard deviation."""
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
                metric: mean_and_spread([result.metrics.get(metric) for result in results])
                for metric in results[0].metrics
            },
        }
        for name, results in by_name.items()
    ]


def mean_and_spread(values: Iterable[float | None]) -> str:
    """Mean ± sample standard deviation of shares, in percent; no spread of one value, a dash of none."""
    known = [100 * value for value in values if value is not None]
    if not known:
        return "–"
    mean = f"{statistics.fmean(known):.1f}"
    return mean if len(known) == 1 else f"{mean} ± {statistics.stdev(known):.1f}"
