"""All criteria together: the worst of them decides, and gives the reason."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from pipeline.health.finding import SEVERITY, Finding, Verdict

_IN_WORDS = {"share_drift": "shares", "source_iou": "source IoU", "view_consistency": "views"}


class Judgement(NamedTuple):
    """The verdict on a round."""

    verdict: Verdict
    reason: str
    """A sentence."""


def judge(findings: Mapping[str, Finding], than: str) -> Judgement:
    """Return the worst verdict with its reason, of several equal ones the first's.

    ``findings`` are by criterion; ``than`` is the run of the reference. Criteria without a verdict do not count.
    """
    worst = max(findings.values(), key=lambda finding: SEVERITY[finding.verdict])
    if worst.verdict is not None and worst.verdict != "holds":
        return Judgement(worst.verdict, worst.reason)
    measured = [words for name, words in _IN_WORDS.items() if findings[name].verdict is not None]
    return Judgement("holds", f"{_listed(measured)} agree with {than}'s")


def _listed(words: list[str]) -> str:
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)
