"""``roundabout init``: params.yaml for one's own folders."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipeline.commands.console import console, readable
from pipeline.common.errors import ReadableError
from pipeline.common.files import write_text
from pipeline.params import ParamsError, read_params

PARAMS = Path("params.yaml")
BEFORE = Path("params.yaml.before")


@readable
def init(
    source: Annotated[Path, typer.Argument(help="folder of the labelled images")],
    target: Annotated[Path, typer.Argument(help="folder of the images to adapt to; labels are not needed")],
    evaluation: Annotated[Path | None, typer.Option(help="folder of labelled images that are scored")] = None,
    classes: Annotated[str | None, typer.Option(help="names for the labels' ids, in order: background,crack")] = None,
    target_classes: Annotated[str | None, typer.Option(help="the same of the target's and the evaluation's")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="replace params.yaml; the old one is params.yaml.before")] = False,
) -> None:
    """Look at two folders and write params.yaml for them, and say why."""
    if PARAMS.exists() and not yes:
        raise ReadableError(f"{PARAMS}: is there already; --yes replaces it and keeps the old one as {BEFORE}")
    from pipeline.proposal.propose import Names, propose
    from pipeline.proposal.size import budget_here

    names = Names(_listed(classes), _listed(target_classes))
    proposal = propose(source, target, evaluation, names, budget_here())
    _replace(proposal.text)
    for line in proposal.why:
        console.print(line, highlight=False, soft_wrap=True)
    console.print(f"wrote {PARAMS}; next: `roundabout check`, then `dvc repro`", highlight=False)


def _listed(names: str | None) -> list[str] | None:
    return None if names is None else [name.strip() for name in names.split(",")]


def _replace(text: str) -> None:
    """Write params.yaml; the one before is kept, and comes back where the new one is not sound."""
    before = PARAMS.read_text(encoding="utf-8") if PARAMS.exists() else None
    write_text(PARAMS, text)
    try:
        read_params(PARAMS)
    except ParamsError:
        if before is None:
            PARAMS.unlink()
        else:
            write_text(PARAMS, before)
        raise
    if before is not None:
        write_text(BEFORE, before)
