"""The questions that a reader has, answered in sentences: for the head of the page and `roundabout results`."""

from __future__ import annotations

from typing import NamedTuple

from pipeline.evaluation.over_seeds import percent_of
from pipeline.report.chains import Chain
from pipeline.report.next_steps import Step, next_steps
from pipeline.report.seed_set import SeedSet

LOST = 0.03
"""A class has been lost where its IoU is so much below that of source-only."""
_NAMED = 6  # classes in a sentence


class Answers(NamedTuple):
    """Sentences by question; empty where there is nothing to compare yet."""

    worked: list[str]
    """Gains of the last round of each chain: over source-only, and over the control."""
    caution: str
    classes: list[str]
    trust: list[str]
    """Precision of the pseudo-labels, without what the verdicts say."""
    steps: list[Step]


def answers_of(seed_set: SeedSet) -> Answers:
    """Return the answers on the last round of every chain: the last model counts, not the best."""
    problem = _missing(seed_set)
    if problem:
        return Answers([problem], "", [], [], [])
    return Answers(
        [_gain_sentence(seed_set, chain) for chain in seed_set.chains],
        caution(seed_set),
        [*(_class_sentence(seed_set, chain) for chain in seed_set.chains), *_no_gap(seed_set)],
        [words for chain in seed_set.chains if (words := _precision_sentence(seed_set, chain))],
        next_steps(seed_set, {chain.last: lost_classes(seed_set, chain.last) for chain in seed_set.chains}),
    )


def _missing(seed_set: SeedSet) -> str:
    if not seed_set.chains:
        return "No round has been evaluated yet."
    if seed_set.source is None:
        return "There is no evaluated source-only initial model to compare the rounds with."
    if all(seed_set.spread(chain.last, seed_set.headline) is None for chain in seed_set.chains):
        return "The evaluation split holds no labelled pixel."
    return ""


def _gain_sentence(seed_set: SeedSet, chain: Chain) -> str:
    gain = seed_set.gain(chain.last)
    if gain is None:
        return f"{chain.label}: its last round, {chain.last}, has no {seed_set.headline_in_words}."
    verb = "gains" if gain.mean >= 0 else "loses"
    points = percent_of(gain._replace(mean=abs(gain.mean)))
    closed = seed_set.gap_closed(chain.last)
    tail = "" if closed is None else f", {100 * closed:.0f} % of the gap to the oracle"
    count = f"{len(chain.rounds)} round{'s' if len(chain.rounds) > 1 else ''}"
    value = percent_of(seed_set.spread(chain.last, seed_set.headline))
    if gain.deviation is not None:
        tail += "; more than the spread over the seeds" if gain.certain else "; within the spread over the seeds"
    return (
        f"{chain.label} {verb} {points} points of {seed_set.headline_in_words} in {count}: "
        f"{percent_of(seed_set.spread(seed_set.source, seed_set.headline))} → {value}{tail}"
        f"{_over_images(seed_set.interval(chain.last))}.{control_sentence(seed_set, chain.last)}"
    )


def _over_images(interval: tuple[float, float] | None) -> str:
    """Return a 95 % interval of a difference as the end of a sentence."""
    if interval is None:
        return ""
    low, high = (f"{100 * end:+.1f}" for end in interval)
    chance = "; the choice of images alone may explain it" if interval[0] <= 0 <= interval[1] else ""
    return f" (95 % interval over images: {low} to {high}{chance})"


def control_sentence(seed_set: SeedSet, name: str) -> str:
    """Return how a round compares with its control, or that it has none, beginning with a space."""
    control = seed_set.controls.get(name)
    gain = None if control is None else seed_set.gain(name, control)
    if control is None or gain is None:
        return " No control with equal steps was run: more training on the source may earn as much."
    side = "above" if gain.mean >= 0 else "below"
    meaning = (
        "more than training on the source alone earns" if gain.mean > 0 else "more training on the source earns as much"
    )
    interval = seed_set.interval(name, "control")
    if gain.deviation is not None and not gain.certain:
        meaning = "no more than the spread over the seeds"
    elif interval is not None and interval[0] <= 0 <= interval[1]:
        meaning = "no certain difference"
    points = percent_of(gain._replace(mean=abs(gain.mean)))
    compared = f"It is {points} points {side} its control ({control}), the same initial model trained for as many steps"
    return f" {compared}: {meaning}{_over_images(interval)}."


def caution(seed_set: SeedSet) -> str:
    """Return what the figures are means of, and what they do not tell."""
    seeds = ", ".join(str(seed) for seed in seed_set.seeds)
    words = f"One seed ({seeds}): a difference of a point or two may be chance."
    if len(seed_set.seeds) > 1:
        words = f"Mean ± standard deviation over {len(seed_set.seeds)} seeds ({seeds}); gains are taken seed by seed."
    words += " The last model counts, not the best."
    gap = None if seed_set.oracle is None else seed_set.gain(seed_set.oracle)
    if gap is not None and gap.mean <= 0:
        words += f" The oracle is not above {seed_set.source}: there is no gap to close."
    return words


def class_gains(seed_set: SeedSet, name: str, over: str | None = None) -> dict[str, float]:
    """Return by how much the IoU of each class is above that of source-only or of another run, where both have one."""
    gains = {label: seed_set.class_gain(name, label, over) for label in seed_set.evaluated}
    return {label: gain.mean for label, gain in gains.items() if gain is not None}


def lost_classes(seed_set: SeedSet, name: str) -> list[str]:
    """Return the classes more than three points below source-only, the worst first."""
    gains = class_gains(seed_set, name)
    return sorted((label for label, gain in gains.items() if gain < -LOST), key=gains.__getitem__)


def _class_sentence(seed_set: SeedSet, chain: Chain) -> str:
    gains = class_gains(seed_set, chain.last)
    best = [label for label in sorted(gains, key=gains.__getitem__, reverse=True) if gains[label] >= LOST]
    lost = lost_classes(seed_set, chain.last)
    up = f"most gained: {_listed(best, gains)}" if best else "no class gained three points"
    down = f"lost: {_listed(lost, gains)}" if lost else "no class lost more than three points"
    return f"{chain.label}: {up}; {down}."


def _listed(labels: list[str], gains: dict[str, float]) -> str:
    more = f" and {len(labels) - _NAMED} more" if len(labels) > _NAMED else ""
    return ", ".join(f"{label} {100 * gains[label]:+.1f}" for label in labels[:_NAMED]) + more


def _no_gap(seed_set: SeedSet) -> list[str]:
    if seed_set.oracle is None:
        return []
    labels = [label for label, gain in class_gains(seed_set, seed_set.oracle).items() if gain <= 0]
    # a class that both never get right is no gap either, but says nothing about the rounds
    shown = [label for label in labels if (value := seed_set.spread(seed_set.source, "IoU", label)) and value.mean > 0]
    return [f"The oracle is not above {seed_set.source} on {', '.join(shown)}: no gap there."] if shown else []


def _precision_sentence(seed_set: SeedSet, chain: Chain) -> str:
    shares = {name: seed_set.spread(name, "pseudo_labels", "precision") for name in chain.rounds}
    known = {name: share for name, share in shares.items() if share is not None}
    if not known:
        return ""
    words = ", ".join(
        f"{name} {percent_of(share)} %{' (below one half)' if share.mean < 0.5 else ''}"
        for name, share in known.items()
    )
    wrong = mostly_wrong(seed_set, chain.last)
    tail = f"; below one half in {chain.last}: {', '.join(wrong)}" if wrong else ""
    return f"{chain.label}: pseudo-labels that are right: {words}{tail}."


def mostly_wrong(seed_set: SeedSet, name: str) -> list[str]:
    """Return the classes of which less than half of a round's pseudo-labels are right."""
    shares = {label: seed_set.spread(name, "class_pseudo_labels", label, "precision") for label in seed_set.class_names}
    return [label for label, share in shares.items() if share is not None and share.mean < 0.5]
