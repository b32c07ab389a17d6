"""health.json: the verdict on a round as a file (docs/health.md), which status, results and report read."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple

from pipeline.common.errors import ReadableError
from pipeline.common.files import read_json
from pipeline.health.finding import Verdict

HEALTH = "health.json"
FORMAT = 1


class Reference(NamedTuple):
    """What the initial model of a chain was like: every round of the chain is compared with it."""

    run: str
    """The initial model."""
    shares: Mapping[str, float]
    """Of the target's predicted pixels, by class."""
    source_iou: float | None
    view_consistency: float | None
    uncertainty: Mapping[str, float]


class Record(NamedTuple):
    """The content of health.json."""

    verdict: Verdict
    reason: str
    result: Literal["trained", "init"]
    """What model.pt is: the trained network, or (`guard`) the one that the round began with."""
    criteria: Mapping[str, Mapping[str, Any]]
    reference: Reference
    uncertainty: Mapping[str, float]
    """Criteria that never decide."""
    images: int
    """Of the target, that were looked at."""

    def as_json(self) -> dict[str, Any]:
        """Return what the file says."""
        return {"format": FORMAT, **self._asdict(), "reference": self.reference._asdict()}


def in_words(verdict: str, reason: str, result: str) -> str:
    """Return the verdict, its reason where it is not *holds*, and whether the result is the init's network."""
    because = "" if verdict == "holds" else f": {reason}"
    guarded = "; its result is its init's network (guard)" if result == "init" else ""
    return f"{verdict}{because}{guarded}"


def verdict_in_words(folder: Path) -> tuple[str, str]:
    """Return the verdict of a run's folder in a word and in a sentence; both are empty where there is none.

    Where health.json cannot be read the word is empty, and the sentence is the problem.
    """
    try:
        record = read_health(folder)
    except ReadableError as error:
        return "", str(error)
    return ("", "") if record is None else (record.verdict, in_words(record.verdict, record.reason, record.result))


def read_health(folder: Path) -> Record | None:
    """Read the verdict from a run's folder; None where there is none (initial models, rounds that have not run).

    Raises:
        ReadableError: the file is not a verdict of this version; the message says what to run.
    """
    path = folder / HEALTH
    if not path.exists():
        return None
    try:
        read = read_json(path)
        if read.pop("format") == FORMAT:
            return Record(**{**read, "reference": Reference(**read["reference"])})
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        pass
    raise ReadableError(f"{path}: is not a verdict of this version; run `dvc repro -f health@{folder.name}`")
