"""``roundabout show``: what a round makes of one image, as a picture."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipeline.commands.console import console, readable
from pipeline.commands.run_files import run_name


@readable
def show(
    run: Annotated[str, typer.Argument(help="a round, e.g. lse-1")],
    image: Annotated[str, typer.Option(help="the image's id")],
    out: Annotated[Path, typer.Option("--out", "-o", help="the PNG to write")],
    layer: Annotated[
        list[str] | None, typer.Option(help="only this layer; may be repeated. Default: all that there are")
    ] = None,
    against: Annotated[
        str | None, typer.Option(help="the round that changes are taken to; default: the one before")
    ] = None,
) -> None:
    """Draw input, prediction, entropy, selection, pseudo-label, patches and label of one image into a PNG."""
    from pipeline.common.files import whole_file
    from pipeline.viewer.inspector import Inspector
    from pipeline.viewer.sheet import show_sheet

    inspector = Inspector([])
    view = inspector.run(run_name(run))
    other = inspector.run(run_name(against)) if against else inspector.previous(view)
    sheet = show_sheet(view, image, inspector.inputs, other, tuple(layer or ()))
    with whole_file(out) as temporary:
        sheet.save(temporary, format="PNG", optimize=True)
    console.print(f"{out}: {sheet.width}x{sheet.height}", highlight=False)
