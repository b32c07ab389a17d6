"""In how many micro-batches the batches of stages fit that ran out of memory, remembered from night to night.

This depends on the machine, not on the experiment, so it is kept in .roundabout, outside of DVC. The stage reads
the number from the environment variable ROUNDABOUT_MICRO_BATCHES (training/micro_batches.py), and its curves record it.
"""

from __future__ import annotations

from pathlib import Path

from pipeline.common.files import read_json, write_json

MOST_MICRO_BATCHES = 64


def _path(home: Path, stage: str) -> Path:
    return home / ".roundabout" / "micro_batches" / f"{stage}.json"


def enough_micro_batches(home: Path, stage: str) -> int:
    """Return in how many micro-batches the stage's batches fitted the last time; 1 if it never ran out of memory."""
    path = _path(home, stage)
    return int(read_json(path)["micro_batches"]) if path.exists() else 1


def remember_micro_batches(home: Path, stage: str, did_not_fit: int) -> int | None:
    """Remember and return twice as many micro-batches as did not fit; None beyond MOST_MICRO_BATCHES."""
    micro_batches = 2 * did_not_fit
    if micro_batches > MOST_MICRO_BATCHES:
        return None
    write_json(_path(home, stage), {"micro_batches": micro_batches})
    return micro_batches


def micro_batch_environment(micro_batches: int) -> dict[str, str]:
    """Return the environment of a stage whose batches go through the network in so many micro-batches."""
    return {"ROUNDABOUT_MICRO_BATCHES": str(micro_batches)} if micro_batches > 1 else {}
