"""Which file a user means who names a run or a checkpoint."""

from __future__ import annotations

from pathlib import Path

from pipeline.common.errors import ReadableError

RUNS = Path("runs")
MODEL = "model.pt"


def is_of_a_run(path: Path) -> bool:
    """Whether a model file lies in a run's folder; the file itself may be a link into DVC's cache."""
    return path.parent.resolve().parent == RUNS.resolve()


def model_file(wanted: str) -> Path:
    """A run's model (``lse-3``, ``runs/lse-3``) or a file. Raises ReadableError that lists the runs there are."""
    given = Path(wanted)
    for path in (given, given / MODEL, RUNS / wanted / MODEL):
        if path.is_file():
            return path
    runs = sorted(path.parent.name for path in RUNS.glob(f"*/{MODEL}"))
    there_are = f"runs with a model are {', '.join(runs)}" if runs else "no run has a model yet (`dvc repro`)"
    raise ReadableError(f"{wanted}: is no file and no run with a {MODEL}; {there_are}")
