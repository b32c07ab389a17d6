"""When a chain of rounds has stopped paying: by the metrics of a labelled split, or by the predictions alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

from pipeline.common.files import read_json


class Rules(NamedTuple):
    """Limits below which a chain ends; None: not asked for."""

    gain_below: float | None = None
    """Points of the headline metric that a round must gain over what it began with."""
    change_below: float | None = None
    """Percent of the target's pixels whose class a round must change. Needs no labels."""


class Ending(NamedTuple):
    """A chain's end: its rounds from ``first`` on, and why."""

    first: str
    include_first: bool
    """Whether what is left of the round ``first`` itself is not worth doing either."""
    why: str


def gain_endings(
    runs: Path, begin: dict[str, str], evaluated: Iterable[str], ended: str, headline: str, rules: Rules
) -> list[Ending]:
    """Chains that end because the evaluation of ``ended`` has ended. ``evaluated``: runs whose metrics are of now."""
    if rules.gain_below is None:
        return []
    known = {name: _metric(runs / name / "metrics.json", headline) for name in evaluated}
    endings = []
    for name, first in begin.items():
        after, before = known.get(name), known.get(first)
        if ended in (name, first) and after is not None and before is not None:
            gain = 100 * (after - before)
            if gain < rules.gain_below:
                why = f"{name} gained {gain:+.2f} points of {headline} over {first}, less than {rules.gain_below:g}"
                endings.append(Ending(name, False, why))
    return endings


def _metric(path: Path, headline: str) -> float | None:
    value = read_json(path).get(headline) if path.exists() else None
    return None if value is None else float(value)


def change_endings(
    runs: Path, begin: dict[str, str], name: str, rules: Rules, change: Callable[[Path, Path], float] | None = None
) -> list[Ending]:
    """The chain that ends because the predictions that round ``name`` begins with are those of the round before."""
    before = begin.get(name)
    if rules.change_below is None or before not in begin:
        return []  # a start has no cache to compare with
    caches = runs / before / "cache", runs / name / "cache"
    if not all(cache.exists() for cache in caches):
        return []
    percent = (change or _changed_pixels)(*caches)
    if percent >= rules.change_below:
        return []
    why = f"{before} changed the class of {percent:.2f} % of the target's pixels, less than {rules.change_below:g}"
    return [Ending(name, True, why)]


def _changed_pixels(before: Path, after: Path) -> float:
    # imported here: whoever makes a plan needs the rules, and not torch, which the cache imports
    from pipeline.overnight.change import changed_pixels

    return changed_pixels(before, after)
