"""The reports of one workspace, or of several that differ in their seed alone, side by side."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, NamedTuple

from pipeline.evaluation.over_seeds import Spread, difference, spread
from pipeline.evaluation.results import metric_in_words
from pipeline.report.chains import Chain, chains_of

Values = list[float | None]
"""One value per seed; None where it is not known."""
RESULTS, ENVIRONMENT, PICTURE_LIST = "results.json", "made.json", "pictures.json"
"""Files of a report, beside its page."""


class Bundle(NamedTuple):
    """Output of the report stage in one workspace."""

    record: dict[str, Any]
    """results.json (record.py)."""
    environment: dict[str, Any]
    """made.json (environment.py)."""
    pictures: dict[str, Any]
    """pictures.json (gallery.py)."""
    folder: Path
    """Folder of the pictures."""


class SeedSet:
    """The runs of all seeds; names, classes and headline are those of the first."""

    def __init__(self, bundles: list[Bundle]) -> None:
        self.bundles = bundles
        first = bundles[0].record
        self.headline: str = first["headline"]
        self.class_names: list[str] = first["classes"]["names"]
        self.palette: list[list[int]] = first["classes"]["palette"]
        self.evaluated: list[str] = first["classes"]["evaluated"]
        self.names: list[str] = [run["name"] for run in first["runs"]]
        self.kinds: dict[str, str] = {run["name"]: run["kind"] for run in first["runs"]}
        self.rounds: dict[str, int] = {run["name"]: run["round"] for run in first["runs"]}
        inits = {run["name"]: run["init"] for run in first["runs"] if run["init"] is not None}
        self.chains: list[Chain] = chains_of(self.kinds, inits)
        self.inits = inits
        self.controls: dict[str, str] = {run["name"]: run["control"] for run in first["runs"] if run.get("control")}
        """The control of a round: the same initial model, trained for as many steps."""
        self._runs = [{run["name"]: run for run in bundle.record["runs"]} for bundle in bundles]

    def colour(self, class_name: str) -> list[int]:
        """Return the colour of a class."""
        return self.palette[self.class_names.index(class_name)]

    @property
    def headline_in_words(self) -> str:
        """The headline metric's name for tables and sentences."""
        return metric_in_words(self.headline)

    @property
    def seeds(self) -> list[int]:
        """The seeds in the order of the workspaces."""
        return [bundle.record["seed"] for bundle in self.bundles]

    @property
    def source(self) -> str | None:
        """Name of the initial model that everything is compared with: the first that learnt from the source."""
        return next((name for name in self.names if self.kinds[name] == "initial"), None)

    @property
    def oracle(self) -> str | None:
        """Name of the first initial model that learnt from the target's labels."""
        return next((name for name in self.names if self.kinds[name] == "oracle"), None)

    def runs(self, name: str) -> list[dict[str, Any]]:
        """Return a run's record of each seed; {} where that seed has not evaluated it."""
        return [runs.get(name, {}) for runs in self._runs]

    def values(self, name: str | None, *keys: str) -> Values:
        """Return a value of a run for each seed, by its path of keys."""
        return [_at(run, keys) for run in self.runs(name)] if name is not None else [None] * len(self.bundles)

    def spread(self, name: str | None, *keys: str) -> Spread | None:
        """Return mean and deviation of ``values``; None if no seed has one."""
        return spread(self.values(name, *keys))

    def gain(self, name: str, over: str | None = None) -> Spread | None:
        """Return the headline metric's difference to source-only, or to another run, taken seed by seed."""
        return difference(self.values(name, self.headline), self.values(over or self.source, self.headline))

    def class_gain(self, name: str, class_name: str, over: str | None = None) -> Spread | None:
        """Return the difference of a class's IoU to source-only, or to another run, taken seed by seed."""
        return difference(self.values(name, "IoU", class_name), self.values(over or self.source, "IoU", class_name))

    def interval(self, name: str, over: Literal["gain", "control", "init"] = "gain") -> tuple[float, float] | None:
        """Return the 95 % interval over images of the difference to source-only, the control, or what it began with.

        None where it is not known, and for several seeds.
        """
        if len(self.bundles) > 1:
            return None
        ends = self.runs(name)[0].get(f"{over}_interval")
        return None if ends is None else (ends[0], ends[1])

    def gap_closed(self, name: str) -> float | None:
        """Return mean gain over the oracle's mean gain; None without an oracle that is better than source-only."""
        gain = self.gain(name)
        gap = None if self.oracle is None else self.gain(self.oracle)
        return None if gain is None or gap is None or gap.mean <= 0 else gain.mean / gap.mean


def _at(run: dict[str, Any], keys: tuple[str, ...]) -> float | None:
    value: Any = run
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None
