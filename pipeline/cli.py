"""The command ``roundabout``: what is not a stage."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, NamedTuple

import typer
from typer.core import TyperGroup

if TYPE_CHECKING:
    from typer._click import Command, Context


class Entry(NamedTuple):
    """A command in the list of ``roundabout --help``."""

    name: str
    where: str
    """Its function, or its Typer with commands of its own: ``module:name`` in pipeline/commands."""
    help: str
    """The first sentence of its own help, without the need to import it."""


# In the order in which one meets them.
PANELS = {
    "Params and data": (
        Entry("init", "init:init", "Look at two folders and write params.yaml for them, and say why."),
        Entry("use", "use:use", "Copy a preset onto params.yaml."),
        Entry(
            "check",
            "check:check",
            "Check params.yaml, the data paths and some files of each split; every problem at once.",
        ),
        Entry(
            "doctor",
            "doctor:doctor",
            "Look at versions, device, disk and data; every line is ok, warn or fail. Exit code 1 where one fails.",
        ),
        Entry("rounds", "rounds:rounds", "Print a `rounds:` block for params.yaml with a method's own schedule."),
        Entry(
            "classes",
            "classes:classes",
            "Show a class set; or how label ids of source and target become classes: what maps, merges, is ignored.",
        ),
        Entry(
            "list",
            "split_list:split_list",
            "Write the ids of the images with the highest class-balanced score: `listed: FILE` in data.target takes "
            "them.",
        ),
        Entry("schema", "check:schema", "Print the JSON schema of params.yaml, for editors."),
    ),
    "Runs": (
        Entry(
            "status",
            "status:status",
            "Say of every stage whether it is done, running or stale, what `dvc repro` would run, and which rounds "
            "hold.",
        ),
        Entry(
            "overnight",
            "overnight:overnight",
            "Run all stages that have changed, side by side, and resume where the last night ended.",
        ),
        Entry(
            "results",
            "results:results",
            "Print the results of all evaluated runs, and whether it worked, on which classes, how sure that is, what "
            "next.",
        ),
        Entry(
            "report",
            "report:report",
            "Make one report of several seeds: mean and standard deviation of everything.",
        ),
        Entry(
            "plots",
            "plots:plots",
            "Draw what `dvc plots` draws into one file that needs no network; several revisions beside each other.",
        ),
    ),
    "Looking at rounds": (
        Entry(
            "inspect",
            "inspect:inspect",
            "Serve a page to look at caches, selections and evaluations; it only reads, also while a dump is being "
            "written.",
        ),
        Entry(
            "show",
            "show:show",
            "Draw input, prediction, entropy, selection, pseudo-label, patches and label of one image into a PNG.",
        ),
        Entry(
            "compare",
            "compare:compare",
            "Compare two runs: metrics, classes, thresholds, selections, params, and the images that changed most.",
        ),
    ),
    "Beside the pipeline": (
        Entry(
            "models",
            "models:models",
            "List networks and encoders: parameters, sizes they take, multiply-adds, and whether weights are here.",
        ),
        Entry("predict", "predict:predict", "Predict any images at their own sizes, one file each, under their names."),
        Entry(
            "export",
            "export:export",
            "Write a network as ONNX (RGB bytes in, logits at image size out, compared with torch) or as safetensors.",
        ),
        Entry(
            "select",
            "select:select",
            "Select images, thresholds and pseudo-labels from a cache: selection.json and labels.h5.",
        ),
        Entry(
            "checkpoint",
            "checkpoint:app",
            "Checkpoints of others: say what a file is, take it in, write it back. docs/models.md lists the kinds.",
        ),
        Entry(
            "cache",
            "cache:app",
            "Probability caches: look, check, import and export. docs/cache.md describes the files.",
        ),
    ),
}
_ENTRIES = {entry.name: entry for entries in PANELS.values() for entry in entries}


class _Commands(TyperGroup):
    """Imports a command when it is called: all of them take a second, and one a fraction."""

    def resolve_command(self, ctx: Context, args: list[str]) -> tuple[str | None, Command | None, list[str]]:
        name, command, rest = super().resolve_command(ctx, args)
        return name, command if command is None or name is None else load(name), rest


app = typer.Typer(
    cls=_Commands,
    help="Adapt a segmentation network to streets without labels, round by round. The pipeline itself is `dvc repro`.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def load(name: str) -> Command:
    """Import a command of PANELS."""
    module, _, attribute = _ENTRIES[name].where.partition(":")
    loaded = getattr(import_module(f"pipeline.commands.{module}"), attribute)
    if not isinstance(loaded, typer.Typer):
        alone = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
        alone.command(name)(loaded)
        loaded = alone
    return typer.main.get_command(loaded)


def _listed() -> None:
    """Stand for a command that has not been imported; ``resolve_command`` replaces it."""


for panel, entries in PANELS.items():
    for entry in entries:
        app.command(entry.name, help=entry.help, rich_help_panel=panel)(_listed)


if __name__ == "__main__":
    app()
