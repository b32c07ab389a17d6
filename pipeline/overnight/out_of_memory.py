"""In how many pieces the batches of stages fit that ran out of memory, remembered from night to night.

This depends on the machine, not on the experiment, so it is kept in .roundabout, outside of DVC. The stage reads
the number from the environment variable ROUNDABOUT_MICRO_BATCHES (training/micro_batches.py), and its curves record it.
"""

from __future__ import annotations

from pathlib import Path

from pipeline.common.files import read_json, write_json

MOST_PIECES = 64


def _path(home: Path, stage: str) -> Path:
    return home / ".roundabout" / "pieces" / f"{stage}.json"


def enough_pieces(home: Path, stage: str) -> int:
    """Return in how many pieces the stage's batches fitted the last time; 1 if it never ran out of memory."""
    path = _path(home, stage)
    return int(read_json(path)["pieces"]) if path.exists() else 1


def remember_pieces(home: Path, stage: str, did_not_fit: int) -> int | None:
    """Remember and return twice as many pieces as did not fit; None where that is more than MOST_PIECES."""
    pieces = 2 * did_not_fit
    if pieces > MOST_PIECES:
        return None
    write_json(_path(home, stage), {"pieces": pieces})
    return pieces


def in_pieces(pieces: int) -> dict[str, str]:
    """Return the environment of a stage whose batches go through the network in so many pieces."""
    return {"ROUNDABOUT_MICRO_BATCHES": str(pieces)} if pieces > 1 else {}
