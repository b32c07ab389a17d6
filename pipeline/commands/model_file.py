"""Which file a user means who names a run or a checkpoint."""

from __future__ import annotations

from pathlib import Path

from pipeline.common.errors import ReadableError

RUNS = Path("runs")
MODEL = "model.pt"


def is_of_a_run(path: Path) -> bool:
    """Return whether a run's folder has a model file; the file itself may be a link into DVC's cache."""
    return path.parent.resolve().parent == RUNS.resolve()


def model_file(name: str) -> Path:
    """Return the model of a run (``lse-3``, ``runs/lse-3``), or a file.

    Raises:
        ReadableError: there is neither; lists the runs there are.
    """
    given = Path(name)
    for path in (given, given / MODEL, RUNS / name / MODEL):
        if path.is_file():
            return path
    runs = sorted(path.parent.name for path in RUNS.glob(f"*/{MODEL}"))
    there_are = f"runs with a model are {', '.join(runs)}" if runs else "no run has a model yet (`dvc repro`)"
    raise ReadableError(f"{name}: is neither a file nor a run with a {MODEL}; {there_are}")
