"""``roundabout select``: a method's selection on any cache, outside of the pipeline."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from pipeline.commands.console import console, readable


class MethodName(StrEnum):
    """The methods that select from a cache."""

    lse = "lse"
    cbst = "cbst"


class CompatName(StrEnum):
    """Which of the two a method follows where they differ."""

    paper = "paper"
    author = "author"


@readable
def select(
    cache: Annotated[Path, typer.Argument(help="the cache's folder, e.g. runs/lse-1/cache")],
    method: Annotated[MethodName, typer.Option(help="which method selects")],
    portion: Annotated[float, typer.Option(help="share of the images (lse) or pixels (cbst), above 0, up to 1")],
    out: Annotated[Path, typer.Option(help="folder for selection.json and labels.h5")],
    compat: Annotated[CompatName, typer.Option(help="follow the paper or the released code")] = CompatName.paper,
) -> None:
    """Select images, thresholds and pseudo-labels from a cache: selection.json and labels.h5."""
    from pipeline.cache.reader import CacheReader
    from pipeline.selection.labels import write_labels
    from pipeline.selection.select import select_from_cache

    if not 0 < portion <= 1:
        raise typer.BadParameter(f"is {portion}; above 0 and up to 1 is needed", param_hint="--portion")
    selection = select_from_cache(method.value, cache, portion, compat.value, out / "selection.json")
    write_labels(CacheReader(cache), selection, out / "labels.h5")
    console.print(f"{out}: {len(selection.images)} images selected, selection.json and labels.h5")
