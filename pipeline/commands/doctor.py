"""``roundabout doctor``: whether this machine and params.yaml go together."""

from __future__ import annotations

from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.commands.console import console, readable

if TYPE_CHECKING:
    from pipeline.doctor import Finding

COLOURS = {"ok": "green", "warn": "yellow", "fail": "red"}


@readable
def doctor(params: Annotated[Path, typer.Option(help="the params file")] = Path("params.yaml")) -> None:
    """Look at versions, device, disk and data; every line is ok, warn or fail. Exit code 1 where one fails."""
    from pipeline.doctor import examine

    count = dict.fromkeys(COLOURS, 0)
    for finding in chain(examine(params), [_server()]):
        count[finding.status] += 1
        console.print(f"{finding.status:5}", style=COLOURS[finding.status], end="")
        console.print(f"{finding.what}: {finding.message}", highlight=False, soft_wrap=True)
        if finding.advice and finding.status != "ok":
            console.print(f"     -> {finding.advice}", highlight=False, soft_wrap=True)
    console.print(", ".join(f"{number} {status}" for status, number in count.items()), highlight=False)
    if count["fail"]:
        raise typer.Exit(1)


def _server() -> Finding:
    """The Prefect server that a night would use."""
    from pipeline.doctor import Finding
    from pipeline.overnight.server_probe import named_server, server_problem

    server = named_server()
    if server is None:
        return Finding("ok", "server", "`roundabout overnight` starts its own Prefect server")
    problem = server_problem(server)
    return Finding("ok", "server", f"{server.url} answers") if problem is None else Finding("warn", "server", problem)
