"""``roundabout doctor``: whether this machine and params.yaml go together."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipeline.commands.console import console, readable

COLOURS = {"ok": "green", "warn": "yellow", "fail": "red"}


@readable
def doctor(params: Annotated[Path, typer.Option(help="the params file")] = Path("params.yaml")) -> None:
    """Look at versions, device, disk and data; every line is ok, warn or fail. Exit code 1 where one fails."""
    from pipeline.doctor import examine

    count = dict.fromkeys(COLOURS, 0)
    for finding in examine(params):
        count[finding.status] += 1
        console.print(f"{finding.status:5}", style=COLOURS[finding.status], end="")
        console.print(f"{finding.what}: {finding.message}", highlight=False, soft_wrap=True)
        if finding.advice and finding.status != "ok":
            console.print(f"     -> {finding.advice}", highlight=False, soft_wrap=True)
    console.print(", ".join(f"{number} {status}" for status, number in count.items()), highlight=False)
    if count["fail"]:
        raise typer.Exit(1)
