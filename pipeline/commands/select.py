"""``roundabout select``: a method's selection on any cache, outside of the pipeline."""

from __future__ import annotations

import math
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from pipeline.commands.cache_folder import Cache
from pipeline.commands.console import console, readable
from pipeline.commands.overwriting import Force, keep_what_is_there
from pipeline.common.errors import ReadableError


class MethodName(StrEnum):
    """The methods that select from a cache."""

    lse = "lse"
    cbst = "cbst"
    intrada = "intrada"
    cada = "cada"


class CompatName(StrEnum):
    """Which of the two a method follows where they differ."""

    paper = "paper"
    author = "author"


class CentroidName(StrEnum):
    """Readings of CADA's Eq. 1."""

    weighted = "weighted"
    mean = "mean"
    literal = "literal"


@readable
def select(
    cache: Cache,
    method: Annotated[MethodName, typer.Option(help="which method selects")],
    out: Annotated[Path, typer.Option(help="folder for selection.json and labels.h5")],
    portion: Annotated[
        float | None, typer.Option(help="share of the images (lse), pixels (cbst) or easy images (intrada), 0 to 1")
    ] = None,
    compat: Annotated[CompatName, typer.Option(help="follow the paper or the released code")] = CompatName.paper,
    one_threshold: Annotated[bool, typer.Option(help="cbst: one for all classes (ST)")] = False,
    prior: Annotated[
        Path | None,
        typer.Option(help="cbst: a spatial prior (CBST-SP), e.g. data/prepared/spatial-prior/spatial-prior.h5"),
    ] = None,
    normalise: Annotated[bool, typer.Option(help="intrada: by the number of rare classes predicted")] = False,
    delta: Annotated[float, typer.Option(help="cada: Δ, in nats")] = 0.0,
    centroid: Annotated[CentroidName, typer.Option(help="cada: reading of Eq. 1")] = CentroidName.weighted,
    force: Force = False,
) -> None:
    """Select images, thresholds and pseudo-labels from a cache: selection.json and labels.h5."""
    from pipeline.cache.reader import CacheReader
    from pipeline.methods import select as methods
    from pipeline.methods.pseudo_labels import write_labels
    from pipeline.methods.selection_file import write_selection

    _check_portion(method, portion)
    if not math.isfinite(delta):
        raise typer.BadParameter(f"is {delta}; a number is needed", param_hint="--delta")
    _check_options(
        method,
        {
            "--one-threshold": (one_threshold, MethodName.cbst),
            "--prior": (prior is not None, MethodName.cbst),
            "--normalise": (normalise, MethodName.intrada),
            "--delta": (delta != 0, MethodName.cada),
            "--centroid": (centroid is not CentroidName.weighted, MethodName.cada),
        },
    )
    if method is MethodName.cada and compat is CompatName.author:
        raise typer.BadParameter("CADA has no released code; there is paper only", param_hint="--compat")
    if out.exists() and not out.is_dir():
        raise ReadableError(f"--out: {out} is a file; name a folder")
    keep_what_is_there([out / "selection.json", out / "labels.h5"], force)
    if next(out.glob("part-*.h5"), None) is not None:
        raise ReadableError(f"--out: {out} is a cache; name another folder")
    if normalise:
        _check_rare_classes(CacheReader(cache).spec.class_names)
    share = portion or 0.0
    selection, details = {
        MethodName.lse: lambda: methods.select_lse(cache, share, compat.value),
        MethodName.cbst: lambda: methods.select_cbst(cache, share, compat.value, not one_threshold, prior),
        MethodName.intrada: lambda: methods.select_intrada(cache, share, compat.value, normalise),
        MethodName.cada: lambda: methods.select_cada(cache, delta, centroid.value),
    }[method]()
    write_labels(CacheReader(cache), selection, out / "labels.h5")
    write_selection(out / "selection.json", selection, details)
    console.print(f"{out}: {len(selection.images)} images selected, selection.json and labels.h5")


def _check_options(method: MethodName, given: dict[str, tuple[bool, MethodName]]) -> None:
    """Refuses what the method would pass over: a result that looks asked for and is not."""
    for option, (said, owner) in given.items():
        if said and owner is not method:
            raise typer.BadParameter(f"is {owner.value}'s; {method.value} has none", param_hint=option)


def _check_rare_classes(class_names: tuple[str, ...]) -> None:
    """Refuses to count rare classes where no class has the name of one: every image would have none."""
    from pipeline.methods.intrada import RARE_CLASSES

    if not set(class_names) & set(RARE_CLASSES):
        raise typer.BadParameter(
            f"counts Cityscapes' rare classes ({', '.join(RARE_CLASSES)}), and this cache has none of them: "
            f"{', '.join(class_names)}; `cache import --classes` names classes",
            param_hint="--normalise",
        )


def _check_portion(method: MethodName, portion: float | None) -> None:
    if method is MethodName.cada:
        if portion is not None:
            raise typer.BadParameter("cada has no portion; say --delta", param_hint="--portion")
        return
    if portion is None:
        raise typer.BadParameter(f"{method.value} needs it", param_hint="--portion")
    if not 0 <= portion <= 1 or (portion == 0 and method is not MethodName.intrada):
        raise typer.BadParameter(f"is {portion}; above 0 and up to 1 is needed", param_hint="--portion")
