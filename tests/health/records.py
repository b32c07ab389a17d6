"""Verdicts as the stage health writes them, filled in by hand."""

from __future__ import annotations

from typing import Literal

from pipeline.health.finding import Finding, Verdict, not_measured
from pipeline.health.record import Record, Reference


def health_record(verdict: Verdict, reason: str, result: Literal["trained", "init"] = "trained") -> Record:
    """The content of a health.json; a class is lost, and fewer images are seen alike than before."""
    drift = {
        "shares": {"road & lane": 0.9, "<sky>": 0.01},
        "ratios": {"road & lane": 1.02, "<sky>": 0.04},
        "ratio_thresholds": [0.3, 3.0],
    }
    scores = {"source-only": 0.75, "lse-1": 0.81, "lse-2": 0.74}
    criteria = {
        "share_drift": Finding("fails", "<sky> is lost", 0.12, 0.2, drift),
        "source_iou": Finding("holds", "IoU is the same", 0.61, 0.59, {"reference": 0.62}),
        "agreement": Finding("fails", "agrees less", 0.74, 0.75, {"scores": scores, "doubtful_below": 0.79}),
        "view_consistency": not_measured("images are not mirrored"),
    }
    reference = Reference("source-only", {"road & lane": 0.88, "<sky>": 0.12}, 0.62, None, {})
    as_json = {name: finding.as_json() for name, finding in criteria.items()}
    return Record(verdict, reason, result, as_json, reference, {}, 200)
