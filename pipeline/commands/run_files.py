"""Which file a user means: its path, or the name of a run that has one, such as lse-2."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from pipeline.commands.console import failed
from pipeline.common.errors import ReadableError, did_you_mean

RUNS = Path("runs")
MODEL = "model.pt"
CACHE = "cache"


def model_file(given: str | Path) -> Path:
    """Return a file of weights, or the model of a run (``lse-3``, ``runs/lse-3``); a file of the same name wins.

    Raises:
        ReadableError: neither exists; names the runs that have one.
    """
    return _file_or_of_run(Path(given), MODEL, Path.is_file, "a file")


def cache_folder(given: str | Path) -> Path:
    """Return the folder of a cache, or that of a run (``lse-3``, ``runs/lse-3``); a folder of the same name wins.

    Raises:
        ReadableError: neither exists; names the runs that have one.
    """
    return _file_or_of_run(Path(given), CACHE, Path.is_dir, "a folder")


def _file_or_of_run(given: Path, inside: str, is_there: Callable[[Path], bool], what: str) -> Path:
    for path in (given / inside, given, RUNS / given / inside):
        if is_there(path):
            return path
    runs = sorted(path.parent.name for path in RUNS.glob(f"*/{inside}"))
    there_are = f"runs with a {inside} are {', '.join(runs)}" if runs else f"no run has a {inside} yet (`dvc repro`)"
    near = did_you_mean(run_name(str(given)), runs)
    raise ReadableError(f"{given}: is neither {what} nor a run with a {inside}; {there_are}{near}")


def is_of_a_run(path: Path) -> bool:
    """Return whether a run's folder has a model file; the file itself may be a link into DVC's cache."""
    return path.parent.resolve().parent == RUNS.resolve()


def run_name(given: str) -> str:
    """Return the name of a run that may be given as ``runs/lse-1``, as shells complete it."""
    path = Path(given)
    return path.name if path.parent == RUNS else given


def _or_fail(find: Callable[[Path], Path]) -> Callable[[Path], Path]:
    """For options that are read before the command begins, where `console.readable` does not reach."""

    def resolved(given: Path) -> Path:
        try:
            return find(given)
        except ReadableError as error:
            raise failed(str(error)) from None

    return resolved


Cache = Annotated[Path, typer.Argument(help="the cache's folder, or a run: lse-1", callback=_or_fail(cache_folder))]
WeightsFile = Annotated[
    Path,
    typer.Argument(
        help="a checkpoint: .pth, .pt, .safetensors, MXNet's .params, a model.pt, or a run: lse-1",
        callback=_or_fail(model_file),
    ),
]
