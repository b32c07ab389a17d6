"""``roundabout models``: networks and encoders, how large they are, and which of their weights are here."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from pipeline.commands.console import console, readable
from pipeline.commands.sizes import require_positive
from pipeline.common.errors import ReadableError

PARAMS = Path("params.yaml")
SIZE, CLASSES = (512, 1024), 19
MOST = 20


@readable
def models(
    search: Annotated[str | None, typer.Option(help="part of a name: timm's encoders instead, as in convnext")] = None,
    size: Annotated[
        tuple[int, int] | None, typer.Option(help="height width of an image; default: data.size of params.yaml")
    ] = None,
) -> None:
    """List networks and encoders: parameters, sizes they take, multiply-adds, and whether weights are here."""
    require_positive(size)
    size = size or _size_of_params()
    if search is None:
        console.print(_table(_own(), size))
        console.print("timm's encoders: `roundabout models --search TEXT`, then `encoder: timm/NAME`", highlight=False)
        return
    names = _of_timm(search)
    console.print(_table([("small", name) for name in names[:MOST]], size))
    if len(names) > MOST:
        rest = ", ".join(names[MOST:])
        console.print(f"and {len(names) - MOST} more, by their names only: {rest}", highlight=False, soft_wrap=True)


def _size_of_params() -> tuple[int, int]:
    from pipeline.params import read_data

    data = read_data(PARAMS) if PARAMS.is_file() else None
    return SIZE if data is None else data.size


MIX = ("mit-b0", "mit-b5")
"""The smallest and the largest of six: each takes seconds to count."""
DINOV2 = ("timm/vit_small_patch14_dinov2", "timm/vit_base_patch14_dinov2")
SIZES_OF = {
    "segformer": "any from 29 on",
    "daformer": "any from 29 on",
    "hrda": "any, enlarged to multiples of 8",
    "vit-linear": "any, enlarged to multiples of the patch",
    "vit-upernet": "any, enlarged to multiples of the patch",
}


def _own() -> list[tuple[str, str]]:
    from pipeline.models.build import ARCHITECTURES, MIT_NETWORKS, VIT_NETWORKS
    from pipeline.models.encoders import ENCODERS

    encoders = {"small": tuple(ENCODERS)} | dict.fromkeys(MIT_NETWORKS, MIX) | dict.fromkeys(VIT_NETWORKS, DINOV2)
    return [(architecture, encoder) for architecture in ARCHITECTURES for encoder in encoders.get(architecture, ("",))]


def _of_timm(search: str) -> list[str]:
    import timm

    from pipeline.models.encoders import TIMM

    names = timm.list_models(f"*{search.removeprefix(TIMM)}*")
    if not names:
        raise ReadableError(f"timm {timm.__version__} has no network with {search!r} in its name")
    return [TIMM + name for name in names]


def _table(networks: Iterable[tuple[str, str]], size: tuple[int, int]) -> Table:
    table = Table(title=f"{CLASSES} classes, one head, an image of {size[0]}x{size[1]}")
    for column in ("architecture", "encoder", "parameters", "multiply-adds", "logits", "sizes", "weights"):
        table.add_column(column, justify="right" if column in ("parameters", "multiply-adds") else "left")
    for architecture, encoder in networks:
        table.add_row(architecture, encoder, *_row(architecture, encoder, size))
    return table


def _row(architecture: str, encoder: str, size: tuple[int, int]) -> list[str]:
    from pipeline.checkpoints.encoder_file import weights_here
    from pipeline.commands.network_summary import summary
    from pipeline.models.build import DEFAULT_ENCODER
    from pipeline.models.encoders import TIMM

    try:
        figures = summary(architecture, encoder or DEFAULT_ENCODER, CLASSES, size)
    except ReadableError:
        return ["", "", "", "no pyramid: for vit-linear", ""]
    parameters = f"{figures.parameters / 1e6:.1f} million"
    weights = weights_here(encoder) if architecture == "small" else "a file: docs/models.md"
    if figures.multiply_adds is None or figures.logits is None:
        return [parameters, "", "", f"not {size[0]}x{size[1]}", weights]
    sizes = "any, padded to multiples of 32" if architecture == "small" and encoder.startswith(TIMM) else "any"
    sizes = SIZES_OF.get(architecture, sizes)
    logits = f"{figures.logits[0]}x{figures.logits[1]}"
    return [parameters, f"{figures.multiply_adds / 1e9:.2f} G", logits, sizes, weights]
