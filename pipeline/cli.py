"""The command ``roundabout``: what is not a stage."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from pipeline.check import data_problems
from pipeline.commands import cache as commands_cache
from pipeline.commands import checkpoint as commands_checkpoint
from pipeline.commands.classes import classes
from pipeline.commands.compare import compare
from pipeline.commands.console import console, failed
from pipeline.commands.doctor import doctor
from pipeline.commands.export import export
from pipeline.commands.inspect import inspect
from pipeline.commands.overnight import overnight
from pipeline.commands.predict import predict
from pipeline.commands.report import report
from pipeline.commands.rounds import rounds
from pipeline.commands.select import select
from pipeline.commands.show import show
from pipeline.commands.split_list import split_list
from pipeline.commands.status import status
from pipeline.errors import ReadableError
from pipeline.files import write_text
from pipeline.inspection.results import Result, baseline, gap_closed, read_results
from pipeline.inspection.seeds import percent
from pipeline.params import json_schema, read_params

app = typer.Typer(
    help="Adapt a segmentation network to streets without labels, round by round. The pipeline itself is `dvc repro`.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(commands_cache.app, name="cache")
app.add_typer(commands_checkpoint.app, name="checkpoint")
app.command()(select)
app.command()(rounds)
app.command()(classes)
app.command("list")(split_list)
app.command()(doctor)
app.command()(report)
app.command()(predict)
app.command()(export)
app.command()(overnight)
app.command()(inspect)
app.command()(status)
app.command()(compare)
app.command()(show)

PARAMS = Path("params.yaml")
PRESETS = Path(__file__).resolve().parent.parent / "presets"


@app.command()
def check(params: Annotated[Path, typer.Option(help="the params file")] = PARAMS) -> None:
    """Check params.yaml and the data paths; every problem at once."""
    try:
        checked = read_params(params)
        problems = data_problems(checked)
    except ReadableError as error:
        raise failed(str(error)) from None
    if problems:
        listed = "\n".join(f"  - {problem}" for problem in problems)
        raise failed(f"{params}: {len(problems)} problem(s) with the data\n{listed}")
    console.print(f"{params} is fine: {len(checked.starts)} starts, {len(checked.rounds)} rounds")


@app.command()
def schema(
    out: Annotated[Path | None, typer.Option(help="file to write; default: standard output")] = None,
) -> None:
    """Print the JSON schema of params.yaml, for editors."""
    text = json.dumps(json_schema(), indent=2) + "\n"
    if out is None:
        typer.echo(text, nl=False)
    else:
        write_text(out, text)


@app.command()
def use(
    name: Annotated[str | None, typer.Argument(help="a preset; without one, they are listed")] = None,
    force: Annotated[bool, typer.Option("--force", help="overwrite changes that are not committed")] = False,
) -> None:
    """Copy a preset onto params.yaml."""
    presets = {path.stem: path for path in sorted(PRESETS.glob("*.yaml"))}
    if name is None:
        for preset, path in presets.items():
            console.print(f"[bold]{preset}[/bold]  {path.read_text(encoding='utf-8').splitlines()[0].lstrip('# ')}")
        return
    if name not in presets:
        raise failed(f"there is no preset {name!r}; choose one of {', '.join(presets)}")
    if not force and _has_own_changes(presets):
        raise failed("params.yaml has changes that are not committed; commit them, or say --force to lose them")
    write_text(PARAMS, presets[name].read_text(encoding="utf-8"))
    console.print(f"params.yaml is now the preset {name}; `dvc repro` runs it")


def _has_own_changes(presets: dict[str, Path]) -> bool:
    """Whether params.yaml says something that neither git nor a preset has."""
    if not PARAMS.exists() or any(PARAMS.read_bytes() == preset.read_bytes() for preset in presets.values()):
        return False
    answer = subprocess.run(["git", "status", "--porcelain", "--", PARAMS], capture_output=True, text=True, check=False)
    return answer.returncode != 0 or bool(answer.stdout.strip())


@app.command()
def results() -> None:
    """Print the results of all evaluated starts and rounds."""
    try:
        params = read_params(PARAMS)
    except ReadableError as error:
        raise failed(str(error)) from None
    found = read_results(Path("runs"), params.run_kinds())
    if not found:
        raise failed("nothing has been evaluated yet; run `dvc repro`")
    headline = params.evaluate.headline
    console.print(_summary_table(found, headline))
    console.print(_class_table(found))
    if Path("report/index.html").exists():
        console.print(f"report: {Path('report/index.html').resolve()}", soft_wrap=True, highlight=False)


def _summary_table(found: list[Result], headline: str) -> Table:
    source, oracle = baseline(found, "start", headline), baseline(found, "oracle", headline)
    names = list(found[0].metrics)
    columns = ("run", "method", *names, f"Δ {headline}", "gap closed", "coverage", "precision")
    table = Table(*columns, title="Results on the target (percent)")
    for result in found:
        value = result.metrics.get(headline)
        closed = gap_closed(value, source, oracle)
        table.add_row(
            result.name,
            result.kind,
            *(percent(result.metrics.get(name)) for name in names),
            "–" if value is None or source is None else f"{100 * (value - source):+.1f}",
            "–" if closed is None else f"{100 * closed:.0f} %",
            percent(result.pseudo_labels.get("coverage")),
            percent(result.pseudo_labels.get("precision")),
        )
    return table


def _class_table(found: list[Result]) -> Table:
    table = Table("class", *(result.name for result in found), title="IoU of each class (percent)")
    for name in found[0].class_iou:
        table.add_row(name, *(percent(result.class_iou.get(name)) for result in found))
    return table


if __name__ == "__main__":
    app()
