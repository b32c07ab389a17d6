"""``roundabout checkpoint``: what is in a file of weights, and carrying checkpoints in and out."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from pipeline.commands.class_names import CLASSES_HELP, class_names_in, names_of
from pipeline.commands.console import console, readable
from pipeline.commands.overwriting import Force, keep_what_is_there
from pipeline.commands.run_files import WeightsFile, model_file
from pipeline.commands.tables import print_table
from pipeline.common.errors import counted

if TYPE_CHECKING:
    from pipeline.checkpoints.convert import Weights

app = typer.Typer(
    help="Checkpoints of others: say what a file is, take it in, write it back. docs/models.md lists the kinds.",
    no_args_is_help=True,
)

Prefix = Annotated[
    str | None, typer.Option(help="which network, where the file holds several: student, teacher, state_dict.ema …")
]


class Branches(StrEnum):
    """How many ASPP branches are summed."""

    two = "2"
    four = "4"


@app.command()
@readable
def info(file: WeightsFile, prefix: Prefix = None) -> None:
    """Say what a file of weights is: network, heads, classes, preprocessing, and how that is known."""
    from pipeline.checkpoints.convert import read_weights

    print_table(_table(file, read_weights(file, prefix)))


def _table(file: Path, weights: Weights) -> Table:
    table = Table(show_header=False, title=str(file))
    table.add_row("kind", f"{weights.kind}: {weights.title}")
    for number, sentence in enumerate(weights.findings):
        table.add_row("found" if number == 0 else "", sentence)
    names = weights.kept.get("class_names")
    if names:
        table.add_row("class names", ", ".join(names))
    count = sum(value.numel() for value in weights.state.values())
    table.add_row("weights", f"{count:,} in {counted(len(weights.state), 'tensor')}{_average(weights)}")
    return table


def _average(weights: Weights) -> str:
    decay = weights.kept.get("ema")
    return "" if decay is None else f"; exponential moving average, decay {decay:.4g}"


@app.command("import")
@readable
def import_(
    file: WeightsFile,
    out: Annotated[Path, typer.Argument(help="the model file to write, e.g. pretrained/advent.pt")],
    class_set: Annotated[
        str | None,
        typer.Option(help=f"names of the classes: {CLASSES_HELP}"),
    ] = None,
    classes: Annotated[int | None, typer.Option(min=2, help="of the fresh head, where the file is an encoder")] = None,
    aspp_branches: Annotated[Branches | None, typer.Option(help="instead of what the weights show")] = None,
    preprocessing: Annotated[str | None, typer.Option(help="instead of what the weights show")] = None,
    prefix: Prefix = None,
    force: Force = False,
) -> None:
    """Take a checkpoint in as a model file: for `weights` in params.yaml, or to predict."""
    from pipeline.checkpoints.import_export import import_checkpoint

    keep_what_is_there([out], force)
    weights = import_checkpoint(
        file,
        out,
        lambda count: list(names_of(class_set, count, "the checkpoint has")),
        aspp_branches=None if aspp_branches is None else int(aspp_branches.value),
        preprocessing=preprocessing,
        classes=len(class_names_in(class_set)) if classes is None and class_set is not None else classes,
        prefix=prefix,
    )
    print_table(_table(file, weights))
    console.print(f"written: {out}", highlight=False, soft_wrap=True)


@app.command()
@readable
def export(
    model: Annotated[str, typer.Argument(help="a run (lse-3) or a model file")],
    out: Annotated[Path, typer.Argument(help=".pth, .safetensors, or .params for ResNet-38")],
    kind: Annotated[str | None, typer.Option("--as", help="the kind, where there are two (discriminators)")] = None,
    force: Force = False,
) -> None:
    """Write a model under its authors' names, for their code."""
    from pipeline.checkpoints.import_export import export_checkpoint

    keep_what_is_there([out], force)
    written = export_checkpoint(model_file(model), out, kind)
    console.print(f"{out}: {written}", highlight=False, soft_wrap=True)
