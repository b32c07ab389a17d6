"""The verdict without labels on each round: sentences, a word beside the figures, criteria with their limits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

from pipeline.health.record import in_words
from pipeline.report.page.table import DASH, Cell, Row, Table, balance
from pipeline.report.seed_set import SeedSet

Health = dict[str, Any]
"""Content of a health.json."""

_SHADES = {"fails": balance(-1.0), "doubtful": balance(-0.4)}


def has_verdicts(seed_set: SeedSet) -> bool:
    """Return whether there is a verdict on any round."""
    return any(_by_seed(seed_set, name) for name in seed_set.names)


def verdict_cell(seed_set: SeedSet, name: str) -> Cell:
    """Return the verdict on a round in a word; where the seeds differ, each verdict with its number of seeds."""
    verdicts = Counter(health["verdict"] for health in _by_seed(seed_set, name).values())
    if len(verdicts) > 1:
        return Cell(", ".join(f"{verdict} ({count})" for verdict, count in sorted(verdicts.items())))
    return next((Cell(verdict, "", _SHADES.get(verdict, "")) for verdict in verdicts), DASH)


def sentences(seed_set: SeedSet) -> list[str]:
    """Return a sentence on each round that does not hold, and on each verdict that could not be read."""
    return [
        f"Verdict without labels on {name}{_of_seed(seed_set, seed)}: {words}."
        for name in seed_set.names
        for seed, words in _words_by_seed(seed_set, name).items()
        if words not in ("", "holds")
    ]


def holding(seed_set: SeedSet) -> list[str]:
    """Return a sentence with the rounds that hold in all seeds that have a verdict; none without any."""
    verdicts = {name: {health["verdict"] for health in _by_seed(seed_set, name).values()} for name in seed_set.names}
    names = [name for name, of_seeds in verdicts.items() if of_seeds == {"holds"}]
    return [f"The verdict without labels of the target holds: {', '.join(names)}."] if names else []


def _words_by_seed(seed_set: SeedSet, name: str) -> dict[int, str]:
    words = {}
    for seed, run in zip(seed_set.seeds, seed_set.runs(name), strict=True):
        health = run.get("health", {})
        if "verdict" in health:
            words[seed] = in_words(health["verdict"], health["reason"], health["result"])
        elif "problem" in health:
            words[seed] = str(health["problem"])
    return words


def tables(seed_set: SeedSet) -> list[Table]:
    """Return a table of the criteria for each seed that has verdicts."""
    by_seed = {
        seed: {name: healths[seed] for name in seed_set.names if seed in (healths := _by_seed(seed_set, name))}
        for seed in seed_set.seeds
    }
    return [_criteria_table(healths, _of_seed(seed_set, seed)) for seed, healths in by_seed.items() if healths]


def _criteria_table(healths: dict[str, Health], of_seed: str) -> Table:
    return Table(
        f"Criteria of the verdict without labels{of_seed}",
        "criterion",
        list(healths),
        [Row(head, [cell(health["criteria"]) for health in healths.values()]) for head, cell in _ROWS.items()],
        "Compared with the initial model at the beginning of the round's chain; below each value its limit. The worst "
        "criterion decides. Bold and orange: beyond the limit. Not judged: too few networks.",
    )


def _drift(criteria: Health) -> Cell:
    """Return the divergence; the limits of single classes are in rows of their own."""
    drift = criteria["share_drift"]
    beyond = drift["value"] > drift["threshold"]
    return _judged(f"{drift['value']:.3f}", f"fails above {drift['threshold']:g}", "fails" if beyond else "holds")


def _smallest_ratio(criteria: Health) -> Cell:
    ratios, (limit, _) = criteria["share_drift"]["ratios"], criteria["share_drift"]["ratio_thresholds"]
    if not ratios:
        return DASH
    name = min(ratios, key=ratios.__getitem__)
    verdict = "fails" if ratios[name] < limit else "holds"
    return _judged(f"{name} × {ratios[name]:.2f}", f"fails below × {limit:g}", verdict)


def _largest_ratio(criteria: Health) -> Cell:
    ratios, (_, limit) = criteria["share_drift"]["ratios"], criteria["share_drift"]["ratio_thresholds"]
    if not ratios:
        return DASH
    name = max(ratios, key=ratios.__getitem__)
    verdict = "fails" if ratios[name] > limit else "holds"
    return _judged(f"{name} × {ratios[name]:.2f}", f"fails above × {limit:g}", verdict)


def _percent_cell(criterion: str, verb: str) -> Callable[[Health], Cell]:
    """Return a function that shows a criterion whose larger values are better."""

    def cell(criteria: Health) -> Cell:
        own = criteria[criterion]
        if own["value"] is None:
            return DASH
        limit = "not judged"
        if own["verdict"] is not None:
            limit = f"{verb} below {100 * own['threshold']:.1f}"
        if own["verdict"] is not None and own.get("doubtful_below") is not None:
            limit += f", doubtful below {100 * own['doubtful_below']:.1f}"
        return _judged(f"{100 * own['value']:.1f}", limit, own["verdict"])

    return cell


_ROWS: dict[str, Callable[[Health], Cell]] = {
    "drift of the classes' shares, nats": _drift,
    "class that lost most": _smallest_ratio,
    "class that gained most": _largest_ratio,
    "IoU on the held-back source, percent": _percent_cell("source_iou", "fails"),
    "agreement with the ensemble, percent": _percent_cell("agreement", "fails"),
    "IoU between an image and its mirror image, percent": _percent_cell("view_consistency", "doubtful"),
}


def _judged(text: str, limit: str, verdict: str | None) -> Cell:
    return Cell(text, limit, _SHADES.get(verdict or "", ""), strong=verdict in _SHADES)


def _by_seed(seed_set: SeedSet, name: str) -> dict[int, Health]:
    """Return the verdicts on a run, of those seeds that have one."""
    healths = {seed: run.get("health", {}) for seed, run in zip(seed_set.seeds, seed_set.runs(name), strict=True)}
    return {seed: health for seed, health in healths.items() if "verdict" in health}


def _of_seed(seed_set: SeedSet, seed: int) -> str:
    return f" (seed {seed})" if len(seed_set.seeds) > 1 else ""
