"""What one criterion says of a round."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

Verdict = Literal["holds", "doubtful", "fails"]

SEVERITY: dict[Verdict | None, int] = {None: -1, "holds": 0, "doubtful": 1, "fails": 2}
"""Rising; None is a criterion that does not judge this round."""


class Finding(NamedTuple):
    """The answer of one criterion."""

    verdict: Verdict | None
    """None where it could not be measured, or does not decide."""
    reason: str
    """A sentence."""
    value: float | None
    threshold: float | None
    """The limit nearest to which the value fails, or is doubtful where it never fails."""
    details: Mapping[str, Any] = MappingProxyType({})
    """What else health.json keeps of it."""

    def as_json(self) -> dict[str, Any]:
        """Return what health.json says of the criterion."""
        own = {"verdict": self.verdict, "value": self.value, "threshold": self.threshold, "reason": self.reason}
        return {**own, **self.details}


def compared(verdict: Verdict, words: str, value: float, reference: float, drop: float) -> Finding:
    """Return this verdict where the value is more than ``drop`` below the reference, and *holds* elsewhere."""
    least, details = reference - drop, {"reference": reference}
    if value < least:
        return Finding(verdict, f"{words}: {100 * drop:g} points less", value, least, details)
    return Finding("holds", words, value, least, details)


def not_measured(reason: str) -> Finding:
    """Return the answer of a criterion that has nothing to look at."""
    return Finding(None, reason, None, None)
