"""What several seeds answered, run by run: kept in JSON, so that more seeds and methods can be added on another day."""

from __future__ import annotations

import statistics
from typing import Any, NamedTuple

from bench.table import Row

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
    """Answers by run and seed. Seeds need not have the same runs: gains pair those that a seed has."""

    def __init__(self, headline: str = "mIoU") -> None:
        self.headline = headline
        self.answers: dict[str, dict[str, Answer]] = {}
        self.minutes = 0.0
        self.commands: list[str] = []

    @classmethod
    def read(cls, raw: dict[str, Any]) -> Collected:
        """What ``as_json`` wrote."""
        collected = cls(raw["headline"])
        collected.answers = {
            run: {seed: Answer(**answer) for seed, answer in seeds.items()} for run, seeds in raw["answers"].items()
        }
        collected.minutes, collected.commands = raw["minutes"], raw["commands"]
        return collected

    def as_json(self) -> dict[str, Any]:
        """Everything, for ``read``."""
        return {
            "headline": self.headline,
            "minutes": round(self.minutes, 1),
            "commands": self.commands,
            "answers": {
                run: {seed: answer._asdict() for seed, answer in seeds.items()} for run, seeds in self.answers.items()
            },
        }

    def add(self, seed: str, results: dict[str, Any]) -> None:
        """One seed's report/results.json; what the same seed answered before is replaced."""
        self.headline = results["headline"]
        for row in results["runs"]:
            known = ({name: value for name, value in row[part].items() if value is not None} for part in _PARTS)
            self.answers.setdefault(row["name"], {})[seed] = Answer(row[self.headline], *known)

    @property
    def runs(self) -> list[str]:
        """All runs, the one that gains are taken to first."""
        return sorted(self.answers, key=lambda run: run != BASE)

    @property
    def seeds(self) -> list[str]:
        """The seeds of the run that all others are compared with."""
        return sorted(self.answers[BASE], key=int)

    def values(self, run: str) -> list[float]:
        """The headline of each of a run's seeds."""
        return [self.answers[run][seed].value for seed in sorted(self.answers[run], key=int)]

    def gains(self, run: str, base: str = BASE) -> list[float]:
        """What a run has more than another, for each seed that has both."""
        return [
            self.answers[run][seed].value - self.answers[base][seed].value
            for seed in sorted(self.answers[run], key=int)
            if seed in self.answers[base]
        ]

    def gap_closed(self, run: str) -> float | None:
        """The share of the way from the base to the oracle, of the means over the run's seeds; None without a gap."""
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
        """``coverage`` or ``precision`` of a run's seeds; empty where it has none."""
        return [answer.pseudo_labels[what] for answer in self.answers[run].values() if what in answer.pseudo_labels]

    def classes(self, run: str) -> dict[str, float]:
        """Mean IoU of each class over the run's seeds."""
        found: dict[str, list[float]] = {}
        for answer in self.answers[run].values():
            for name, value in answer.classes.items():
                found.setdefault(name, []).append(value)
        return {name: statistics.mean(values) for name, values in found.items()}

    def rows(self, last_rounds: list[str]) -> list[Row]:
        """Means, spreads, gains of the last round of each chain over source-only, and classes."""
        rows = []
        for run in self.runs:
            mean, deviation = mean_and_spread(self.values(run))
            rows.append(Row(f"{run}: {self.headline}", mean, "%", None, None))
            if deviation is not None:
                rows.append(Row(f"{run}: standard deviation", deviation, "%", None, None))
            for what in ("coverage", "precision"):
                if shares := self.pseudo_labels(run, what):
                    rows.append(Row(f"{run}: {what} of the pseudo-labels", mean_and_spread(shares)[0], "%", None, None))
        rows += [gain_row(f"gain of {run}", self.gains(run)) for run in last_rounds if run in self.answers]
        for run in (BASE, *last_rounds, ORACLE):
            if run in self.answers:
                rows += [
                    Row(f"{run}: {name}", 100 * value, "%", None, None) for name, value in self.classes(run).items()
                ]
        return rows


_PARTS = ("IoU", "pseudo_labels")


def mean_and_spread(values: list[float]) -> tuple[float, float | None]:
    """Mean and standard deviation in percent; None for one value."""
    deviation = 100 * statistics.stdev(values) if len(values) > 1 else None
    return 100 * statistics.mean(values), deviation


def gain_row(name: str, gains: list[float]) -> Row:
    """A gain in points, which should be larger than its spread over the seeds; one seed has none to compare with."""
    mean, deviation = mean_and_spread(gains)
    if deviation is None:
        return Row(name, mean, "points", None, None)
    return Row(name, mean, "points", f"> spread ({deviation:.2f})", mean > deviation)
