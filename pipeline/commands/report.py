"""``roundabout report``: one report of several workspaces."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipeline.commands.console import console, readable
from pipeline.common.errors import counted


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
    seeds = f"seed{'s' * (len(seed_set.seeds) > 1)} {', '.join(str(seed) for seed in seed_set.seeds)}"
    runs = counted(len(seed_set.names), "run")
    console.print(f"{out / 'index.html'}: {runs}, {seeds}", soft_wrap=True, highlight=False)
