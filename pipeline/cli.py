"""The command ``roundabout``: what is not a stage."""

from __future__ import annotations

from collections.abc import Callable

import typer

from pipeline.commands import cache as commands_cache
from pipeline.commands import checkpoint as commands_checkpoint
from pipeline.commands.check import check, schema
from pipeline.commands.classes import classes
from pipeline.commands.compare import compare
from pipeline.commands.doctor import doctor
from pipeline.commands.export import export
from pipeline.commands.init import init
from pipeline.commands.inspect import inspect
from pipeline.commands.overnight import overnight
from pipeline.commands.predict import predict
from pipeline.commands.report import report
from pipeline.commands.results import results
from pipeline.commands.rounds import rounds
from pipeline.commands.select import select
from pipeline.commands.show import show
from pipeline.commands.split_list import split_list
from pipeline.commands.status import status
from pipeline.commands.use import use

app = typer.Typer(
    help="Adapt a segmentation network to streets without labels, round by round. The pipeline itself is `dvc repro`.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

# In the order in which one meets them.
_PANELS: dict[str, dict[str, Callable[..., None]]] = {
    "Params and data": {
        "init": init,
        "use": use,
        "check": check,
        "doctor": doctor,
        "rounds": rounds,
        "classes": classes,
        "list": split_list,
        "schema": schema,
    },
    "Runs": {"status": status, "overnight": overnight, "results": results, "report": report},
    "Looking at rounds": {"inspect": inspect, "show": show, "compare": compare},
    "Beside the pipeline": {"predict": predict, "export": export, "select": select},
}
for panel, commands in _PANELS.items():
    for name, command in commands.items():
        app.command(name, rich_help_panel=panel)(command)
app.add_typer(commands_checkpoint.app, name="checkpoint", rich_help_panel="Beside the pipeline")
app.add_typer(commands_cache.app, name="cache", rich_help_panel="Beside the pipeline")


if __name__ == "__main__":
    app()
