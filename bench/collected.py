"""Results of several seeds, run by run: kept in JSON, so that more seeds and methods can be added on another day."""

from __future__ import annotations

import statistics
from typing import Any, NamedTuple

from bench.table import Row
from pipeline.evaluation.over_seeds import spread

BASE, ORACLE = "source-only", "oracle"


class Answer(NamedTuple):
    """One run of one seed; shares in [0,1]."""

    value: float
    """The headline metric."""
    classes: dict[str, float]
    """IoU of each class that occurs."""
    pseudo_labels: dict[str, float]
    """``coverage`` and ``precision``, of a round whose target has labels."""


class Collected:
    """Results by run and seed. Seeds need not have the same runs: gains pair those that a seed has."""

    def __init__(self, headline: str = "mIoU") -> None:
        self.headline = headline
        self.answers: dict[str, dict[str, Answer]] = {}
        self.minutes = 0.0
        self.commands: list[str] = []

    @classmethod
    def read(cls, raw: dict[str, Any]) -> Collected:
        """Return what ``as_json`` wrote."""
        collected = cls(raw["headline"])
        collected.answers = {
            run: {seed: Answer(**answer) for seed, answer in seeds.items()} for run, seeds in raw["answers"].items()
        }
        collected.minutes, collected.commands = raw["minutes"], raw["commands"]
        return collected

    def as_json(self) -> dict[str, Any]:
        """Return everything, for ``read``."""
        return {
            "headline": self.headline,
            "minutes": round(self.minutes, 1),
            "commands": self.commands,
            "answers": {
                run: {seed: answer._asdict() for seed, answer in seeds.items()} for run, seeds in self.answers.items()
            },
        }

    def add(self, seed: str, results: dict[str, Any]) -> None:
        """Add one seed's report/results.json; it replaces earlier results of the same seed."""
        self.headline = results["headline"]
        for row in results["runs"]:
            known = ({name: value for name, value in row[part].items() if value is not None} for part in _PARTS)
            self.answers.setdefault(row["name"], {})[seed] = Answer(row[self.headline], *known)

    @property
    def runs(self) -> list[str]:
        """All runs; first the one that gains are taken to."""
        return sorted(self.answers, key=lambda run: run != BASE)

    @property
    def seeds(self) -> list[str]:
        """The seeds of the run that all others are compared with."""
        return sorted(self.answers[BASE], key=int)

    def values(self, run: str) -> list[float]:
        """Return the headline metric of each of a run's seeds."""
        return [self.answers[run][seed].value for seed in sorted(self.answers[run], key=int)]

    def gains(self, run: str, base: str = BASE) -> list[float]:
        """Return the differences between two runs, for each seed that has both."""
        return [
            self.answers[run][seed].value - self.answers[base][seed].value
            for seed in sorted(self.answers[run], key=int)
            if seed in self.answers[base]
        ]

    def gap_closed(self, run: str) -> float | None:
        """Return the share of the gap from base to oracle, from means over the run's seeds; None without a gap."""
        if run in (BASE, ORACLE) or ORACLE not in self.answers:
            return None
        gaps = [
            self.answers[ORACLE][seed].value - self.answers[BASE][seed].value
            for seed in self.answers[run]
            if seed in self.answers[ORACLE] and seed in self.answers[BASE]
        ]
        gain = self.gains(run)
        return sum(gain) / sum(gaps) if gaps and sum(gaps) > 0 else None

    def pseudo_labels(self, run: str, what: str) -> list[float]:
        """Return ``coverage`` or ``precision`` of a run's seeds; empty if it has no pseudo-labels."""
        return [answer.pseudo_labels[what] for answer in self.answers[run].values() if what in answer.pseudo_labels]

    def classes(self, run: str) -> dict[str, float]:
        """Return the mean IoU of each class over the run's seeds."""
        values_of: dict[str, list[float]] = {}
        for answer in self.answers[run].values():
            for name, value in answer.classes.items():
                values_of.setdefault(name, []).append(value)
        return {name: statistics.mean(values) for name, values in values_of.items()}

    def rows(self, last_rounds: list[str]) -> list[Row]:
        """Return means, deviations, gains of each chain's last round over source-only, and the IoU of classes."""
        rows = []
        for run in self.runs:
            rows += mean_rows(run, self.headline, self.values(run))
            for what in ("coverage", "precision"):
                if shares := spread(self.pseudo_labels(run, what)):
                    rows.append(Row(f"{run}: {what} of the pseudo-labels", 100 * shares.mean, "%", None, None))
        rows += [gain_row(f"gain of {run}", self.gains(run)) for run in last_rounds if run in self.answers]
        for run in (BASE, *last_rounds, ORACLE):
            if run in self.answers:
                rows += [
                    Row(f"{run}: {name}", 100 * value, "%", None, None) for name, value in self.classes(run).items()
                ]
        return rows


_PARTS = ("IoU", "pseudo_labels")


def mean_rows(run: str, metric: str, values: list[float]) -> list[Row]:
    """Return a run's mean over the seeds and, of several, its standard deviation, in percent; ``values``: not empty."""
    over_seeds = spread(values)
    assert over_seeds is not None
    rows = [Row(f"{run}: {metric}", 100 * over_seeds.mean, "%", None, None)]
    if over_seeds.deviation is not None:
        rows.append(Row(f"{run}: standard deviation", 100 * over_seeds.deviation, "%", None, None))
    return rows


def gain_row(name: str, gains: list[float]) -> Row:
    """Return a gain in points, with the goal that it exceed its deviation over the seeds; no goal for a single seed."""
    gain = spread(gains)
    assert gain is not None
    if gain.deviation is None:
        return Row(name, 100 * gain.mean, "points", None, None)
    goal = f"> spread ({100 * gain.deviation:.2f})"
    return Row(name, 100 * gain.mean, "points", goal, gain.mean > gain.deviation)
