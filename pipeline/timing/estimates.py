"""How long stages will take, by the log of those that ran. Losing the log loses estimates only."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping
from pathlib import Path

from pipeline.timing.log import TIMES, Key, all_works

_LAST = 5  # results of one stage that count

Past = Mapping[Key, list[float]]
"""Seconds of past results, by program and run."""


def past_seconds(workspaces: Iterable[Path]) -> Past:
    """Return the times of the last five results of each stage, from the logs of several workspaces."""
    past: dict[Key, list[float]] = {}
    for workspace in workspaces:
        for key, works in all_works(workspace / TIMES).items():
            past.setdefault(key, []).extend(work.seconds for work in works[-_LAST:])
    return past


def estimate(program: str, run: str | None, past: Past) -> float | None:
    """Return the median of the run's own times, else of all runs of the program, in seconds; None without any."""
    own = past.get((program, run or ""))
    seconds = own or [value for (other, _), values in past.items() if other == program for value in values]
    return statistics.median(seconds) if seconds else None
