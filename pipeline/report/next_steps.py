"""What to do next, as commands, from what the results say."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from pipeline.report.chains import Chain
from pipeline.report.seed_set import SeedSet

_MOST = 3
_LITTLE = 0.01
"""Coverage of a class below which it has hardly any pseudo-labels."""


class Step(NamedTuple):
    """One thing to do."""

    why: str
    lines: list[str]
    """Lines of params.yaml, or commands."""


def next_steps(seed_set: SeedSet, lost: Mapping[str, list[str]]) -> list[Step]:
    """Return one to three steps, the most urgent first; ``lost``: the classes that each chain's last round has lost."""
    candidates = [
        *(step for chain in seed_set.chains for step in _distrusted(seed_set, chain)),
        *(step for chain in seed_set.chains for step in _without_control(seed_set, chain)),
        *(step for chain in seed_set.chains for step in _losing(seed_set, chain, lost[chain.last])),
        *(step for chain in seed_set.chains for step in _unlabelled(seed_set, chain)),
        *_one_seed(seed_set),
        _longer(seed_set),
    ]
    by_lines = {tuple(step.lines): step for step in reversed(candidates)}  # two chains may want the same control
    return list(reversed(by_lines.values()))[:_MOST]


def _failing(seed_set: SeedSet, chain: Chain) -> Iterator[Step]:
    for name in chain.rounds:
        healths = [run.get("health", {}) for run in seed_set.runs(name)]
        if any(health.get("verdict") == "fails" and health.get("result") != "init" for health in healths):
            lines = [f"dvc exp run -S ++rounds.{name}.guard=true", *_lower_portion(seed_set, name)]
            yield Step(f"{name} fails its verdict. Let it fall back to its init, or trust fewer pixels:", lines)
            return


def _distrusted(seed_set: SeedSet, chain: Chain) -> list[Step]:
    """Return what to do about the first round that fails, or else about the first with mostly wrong pseudo-labels."""
    return list(_failing(seed_set, chain)) or list(_imprecise(seed_set, chain))


def _imprecise(seed_set: SeedSet, chain: Chain) -> Iterator[Step]:
    for name in chain.rounds:
        share = seed_set.spread(name, "pseudo_labels", "precision")
        if share is not None and share.mean < 0.5:
            lines = _lower_portion(seed_set, name) or [f"roundabout inspect {name}"]
            yield Step(f"More than half of the pseudo-labels of {name} are wrong. Trust fewer:", lines)
            return


def _lower_portion(seed_set: SeedSet, name: str) -> list[str]:
    portion = seed_set.bundles[0].record["params"].get(f"rounds.{name}.portion")
    return [] if portion is None else [f"dvc exp run -S rounds.{name}.portion={0.7 * portion:.2g}"]


def _without_control(seed_set: SeedSet, chain: Chain) -> Iterator[Step]:
    line = seed_set.runs(chain.last)[0].get("control_to_add")
    if line:
        yield Step(
            f"Does {chain.label} earn more than longer training on the source? Add the control to params.yaml, and run "
            "`dvc repro`:",
            ["initial_models:", f"  {line}"],
        )


def _losing(seed_set: SeedSet, chain: Chain, lost: list[str]) -> Iterator[Step]:
    if lost:
        yield Step(
            f"Where did {lost[0]} go? The errors, and what {chain.last} selected of it:",
            [f"roundabout compare {seed_set.source} {chain.last}", f"roundabout inspect {chain.last}"],
        )


def _unlabelled(seed_set: SeedSet, chain: Chain) -> Iterator[Step]:
    shares = {
        label: seed_set.spread(chain.last, "class_pseudo_labels", label, "coverage") for label in seed_set.evaluated
    }
    few = [label for label, share in shares.items() if share is not None and share.mean < _LITTLE]
    if few:
        words = ", ".join(few[:4]) + (" and others" if len(few) > 4 else "")
        yield Step(
            f"Hardly any pixel of {words} has a pseudo-label in {chain.last}; see their thresholds (tab Classes):",
            [f"roundabout inspect {chain.last}"],
        )


def _one_seed(seed_set: SeedSet) -> Iterator[Step]:
    if len(seed_set.seeds) == 1:
        seed = seed_set.seeds[0]
        seeds = f"{seed},{seed + 1},{seed + 2}"
        yield Step("Is it the seed? Train with two more:", [f"roundabout overnight --seeds {seeds}"])


def _longer(seed_set: SeedSet) -> Step:
    """Advise another round where the last one of the first chain gained over its init, by more than chance explains."""
    chain = seed_set.chains[0]
    last, before = chain.last, seed_set.inits[chain.last]
    if _gains(seed_set, last):
        lines = [f"roundabout rounds {seed_set.kinds[last]}"]
        return Step("Another round may gain more; the schedule of the paper:", lines)
    return Step(
        f"{last} is not certainly above {before}, so another round will hardly gain; what it changed:",
        [f"roundabout compare {before} {last}"],
    )


def _gains(seed_set: SeedSet, name: str) -> bool:
    """Return whether a round's gain over its init is above 0 by more than seeds, or images, differ."""
    gain, interval = seed_set.gain(name, seed_set.inits[name]), seed_set.interval(name, "init")
    if gain is None or gain.mean <= 0:
        return False
    if gain.deviation is not None:
        return bool(gain.certain)
    return interval is None or interval[0] > 0
