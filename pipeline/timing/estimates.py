"""How long stages took, for the plan of the next night. Kept in .roundabout; losing it loses estimates only."""

from __future__ import annotations

import statistics
from pathlib import Path

from pipeline.common.files import read_json, write_json
from pipeline.timing.log import TIMES, last_works

_KEPT = 5


def _folder(root: Path) -> Path:
    return root / ".roundabout" / "seconds"


def record_seconds(root: Path, stage: str, seconds: float) -> None:
    """Takes note of how long a stage ran. One file per stage, so that stages in parallel do not meet."""
    path = _folder(root) / f"{stage}.json"
    before = read_json(path) if path.exists() else []
    write_json(path, [*before, round(seconds, 1)][-_KEPT:])


def read_seconds(root: Path) -> dict[str, list[float]]:
    """The last times of every stage that ran here: in a night, else under `dvc repro`, whose stages note their own."""
    noted: dict[str, list[float]] = {}
    for (stage, name), work in last_works(root / TIMES).items():
        # one program evaluates starts and rounds, which are two stages to DVC
        for kind in ("evaluate", "evaluate-start") if stage == "evaluate" else (stage,):
            noted[f"{kind}@{name}" if name else kind] = [work.seconds]
    nights = {path.stem: [float(value) for value in read_json(path)] for path in sorted(_folder(root).glob("*.json"))}
    return noted | nights


def estimate(stage: str, past: dict[str, list[float]]) -> float | None:
    """The median of the stage's own times, else of all stages of its kind (``adapt`` of ``adapt@lse-1``)."""
    if stage in past:
        return statistics.median(past[stage])
    kind = stage.partition("@")[0]
    alike = [value for name, values in past.items() if name.partition("@")[0] == kind for value in values]
    return statistics.median(alike) if alike else None
