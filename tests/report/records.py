"""Records as the report stage writes them, made by hand."""

from __future__ import annotations

from typing import Any

NAMES = ["road & lane", "<sky>"]


def run_record(name: str, kind: str, value: float | None, init: str | None = None, **more: Any) -> dict[str, Any]:
    """One run of results.json."""
    return {
        "name": name,
        "kind": kind,
        "init": init,
        "round": 0 if init is None else 1,
        "mIoU": value,
        "pixel_accuracy": 0.9,
        "gap_closed": None,
        "IoU": {NAMES[0]: value, NAMES[1]: None},
        "pseudo_labels": {},
        "class_pseudo_labels": {},
        "confusion": [[8, 2], [1, 9]],
        "curves": {"source": [[1, 0.5], [2, 0.25]]},
        **more,
    }


def round_record(name: str, value: float | None, init: str = "source-only", **more: Any) -> dict[str, Any]:
    """One round, with everything that a round has."""
    facts = {
        "pseudo_labels": {"images": 3, "coverage": 0.512, "precision": 0.876},
        "class_pseudo_labels": {
            NAMES[0]: {"coverage": 0.1, "precision": 0.934},
            NAMES[1]: {"coverage": None, "precision": None},
        },
        "selection": {"images": 3, "hard": 0, "thresholds": {NAMES[0]: 0.25, NAMES[1]: None}, "unit": "share of ln C"},
        "cache": {"images": 4, "bytes": 4_000_000, "predicted_pixels": {NAMES[0]: 30, NAMES[1]: 10}},
        "patches": {"count": 6, "pixels": 100, "labelled_pixels": {NAMES[0]: 60, NAMES[1]: 0}},
    }
    return run_record(name, "lse", value, init, **facts) | more


def record_of_runs(runs: list[dict[str, Any]], seed: int = 1, **params: Any) -> dict[str, Any]:
    """results.json."""
    return {
        "format": 2,
        "headline": "mIoU",
        "seed": seed,
        "classes": {"set": "two", "names": NAMES, "palette": [[128, 64, 128], [70, 130, 180]], "evaluated": NAMES},
        "metrics": ["mIoU", "pixel_accuracy"],
        "params": {"seed": seed, "adapt.steps": 60, "data.size": [128, 256], **params},
        "data": {"target": {"layout": "folder", "images": 4, "hash": "abc"}},
        "runs": runs,
        "preset": {"name": "streets", "differences": [["adapt.steps", 60, 90]]},
    }


def made_by(**times: dict[str, Any]) -> dict[str, Any]:
    """made.json."""
    return {"git": {"revision": "0123456789abcdef", "changed": []}, "versions": {"python": "3.11"}, "times": times}
