"""When a chain of rounds has stopped paying: by the metrics of a labelled split, or by the predictions alone."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from pipeline.common.files import read_json

if TYPE_CHECKING:
    from pipeline.cache.index import CacheIndex

# H/W pixels

_IMAGES = 200  # of a cache: enough to know the share of changed pixels to a few hundredths of a percent


class Rules(NamedTuple):
    """Limits below which a chain ends; None: no such limit."""

    gain_below: float | None = None
    """Points of the headline metric that a round must gain over what it began with."""
    change_below: float | None = None
    """Percent of the target's pixels whose class a round must change. Needs no labels."""


class Ending(NamedTuple):
    """A chain's end: its rounds from ``first`` on, and why."""

    first: str
    include_first: bool
    """Whether the rest of the round ``first`` itself is left out too."""
    why: str


def gain_endings(
    runs: Path, begin: dict[str, str], evaluated: Iterable[str], ended: str, headline: str, rules: Rules
) -> list[Ending]:
    """Return the chains that end now that the evaluation of ``ended`` is there.

    ``begin`` maps each round to its ``init``; ``evaluated`` are the runs whose metrics are of this night.
    """
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


def change_endings(runs: Path, begin: dict[str, str], name: str, rules: Rules) -> list[Ending]:
    """Return the chain that ends because round ``name`` begins with nearly the predictions of the round before."""
    before = begin.get(name)
    if rules.change_below is None or before not in begin:
        return []  # an initial model has no cache to compare with
    caches = runs / before / "cache", runs / name / "cache"
    if not all(cache.exists() for cache in caches):
        return []
    percent = changed_pixels(*caches)
    if percent >= rules.change_below:
        return []
    why = f"{before} changed the class of {percent:.2f} % of the target's pixels, less than {rules.change_below:g}"
    return [Ending(name, True, why)]


def changed_pixels(before: Path, after: Path) -> float:
    """Return the percentage of pixels whose class differs between two caches of the same images, of at most 200."""
    from pipeline.cache.index import CacheIndex  # imported here: it imports torch, which a plan does not need

    first, second = CacheIndex(before), CacheIndex(after)
    changed = pixels = 0
    for number in range(0, len(first), max(1, len(first) // _IMAGES)):
        one_HW = _label(first, number)
        other_HW = _label(second, second.number(first.image_ids[number]))
        changed += int(np.count_nonzero(one_HW != other_HW))
        pixels += one_HW.size
    return 100 * changed / pixels


def _label(index: CacheIndex, number: int) -> np.ndarray:
    from pipeline.cache.index import read_values
    from pipeline.cache.parts import open_part
    from pipeline.cache.schema import LABEL

    part, row = index.places[number]
    with open_part(index.paths[part]) as file:
        return read_values(file, LABEL, (row,))
