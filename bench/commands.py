"""How long commands take to start, in processor seconds of the user (with their children), and by the clock.

``status`` and a typo in ``check`` are asked in the workspace that is given, such as the demo after `dvc repro`:
python -m bench.commands WORKSPACE
"""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench.table import Row, machine, publish
from bench.workspace import ROOT

REPEATS = 5
TYPO = "seed: 1\nlsee: {}\n"


def seconds_of(folder: Path, *arguments: str) -> tuple[float, float]:
    """Return the median seconds of the processor and of the clock that `roundabout ARGUMENTS` takes in a folder."""
    user, wall = [], []
    for _ in range(REPEATS):
        before, began = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime, time.perf_counter()
        command = [sys.executable, "-P", "-m", "pipeline.cli", *arguments]  # -P: not the code of the folder
        subprocess.run(
            command, cwd=folder, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, check=False
        )
        wall.append(time.perf_counter() - began)
        user.append(resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before)
    return statistics.median(user), statistics.median(wall)


def rows_of(name: str, seconds: tuple[float, float], goal: float) -> list[Row]:
    """Return the rows of one command."""
    user, wall = seconds
    return [
        Row(f"{name}, user", user, "s", f"<= {goal} s", user <= goal),
        Row(f"{name}, by the clock", wall, "s", None, None),
    ]


def main() -> None:
    """Measure and write bench/results/commands.json."""
    workspace = Path(sys.argv[1]).resolve()
    with tempfile.TemporaryDirectory() as folder:
        typo = Path(folder)
        (typo / "params.yaml").write_text(TYPO)
        rows = [
            *rows_of("roundabout --help", seconds_of(typo, "--help"), 0.5),
            *rows_of("roundabout check, of a typo", seconds_of(typo, "check"), 1.0),
            *rows_of("roundabout status", seconds_of(workspace, "status"), 1.0),
        ]
    publish("commands", rows, f"{machine()}; medians of {REPEATS}")


if __name__ == "__main__":
    main()
