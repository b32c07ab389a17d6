"""What all trackers do, and which there are: ``runtime.log_to`` names one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from pipeline.common.errors import ReadableError

LOGS = Path("logs")
"""Folder of what trackers write on this machine."""
TRACKERS = ("tensorboard", "mlflow", "wandb")
"""The names of the packages, too, and of our extras."""


class Results(NamedTuple):
    """What an evaluation has written."""

    metrics: Mapping[str, float]
    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]
    """The table of the classes."""
    pictures: Mapping[str, Path]


class Tracker(Protocol):
    """One run of a tracker."""

    run: str
    """Opens the same run again."""

    def point(self, values: Mapping[str, float], step: int) -> None:
        """Add a point to each curve, on disk when this returns."""

    def results(self, results: Results, step: int) -> None:
        """Add metrics, the table and the pictures, as of a step."""

    def close(self) -> None:
        """End the run."""


def missing(log_to: str) -> str | None:
    """Return what to install for a tracker; None where it is there, or none is asked for."""
    if log_to == "none" or find_spec(log_to) is not None:
        return None
    return f"runtime.log_to: {log_to} is not installed; pip install 'roundabout[{log_to}]', or set it to none"


def require_installed(log_to: str) -> None:
    """Raise ReadableError where the tracker's package is missing; the message has the command."""
    problem = missing(log_to)
    if problem is not None:
        raise ReadableError(problem)


def open_tracker(log_to: str, name: str, run: str | None = None) -> Tracker:
    """Open a new run called ``name``, or go on with ``run``.

    Raises:
        ReadableError: the package is missing, or refuses to open a run.
    """
    require_installed(log_to)
    try:
        return _opened(log_to, name, run)
    except Exception as error:  # of a foreign package: a server that is away, a folder that cannot be written
        raise ReadableError(
            f"runtime.log_to: {log_to} opens no run of {name} ({error}); mend it, or set it to none"
        ) from error


def _opened(log_to: str, name: str, run: str | None) -> Tracker:
    # imported here: they take seconds
    if log_to == "tensorboard":
        from pipeline.tracking.to_tensorboard import TensorBoard

        return TensorBoard(name, run)
    if log_to == "mlflow":
        from pipeline.tracking.to_mlflow import MLflow

        return MLflow(name, run)
    from pipeline.tracking.to_wandb import WandB

    return WandB(name, run)
