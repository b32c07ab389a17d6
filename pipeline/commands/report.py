"""``roundabout report``: one report of several workspaces."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipeline.commands.console import console, readable


@readable
def report(
    workspaces: Annotated[
        list[Path], typer.Argument(help="folders in which `dvc repro` has run, with the same params but other seeds")
    ],
    out: Annotated[Path, typer.Option(help="folder for index.html")],
) -> None:
    """Make one report of several seeds: mean and standard deviation of everything."""
    from pipeline.report.merge_seeds import merge_seeds

    seed_set = merge_seeds(workspaces, out)
    seeds = ", ".join(str(seed) for seed in seed_set.seeds)
    console.print(f"{out / 'index.html'}: {len(seed_set.names)} runs, seeds {seeds}", soft_wrap=True, highlight=False)
