"""``roundabout check`` and ``schema``: what params.yaml may say, and whether it says it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from pipeline.commands.console import console, failed, readable
from pipeline.common.errors import ReadableError, counted
from pipeline.common.files import write_text
from pipeline.common.labels import class_set
from pipeline.params import ParamsError, explained_changes, json_schema, read_data, read_params


@readable
def check(params: Annotated[Path, typer.Option(help="the params file")] = Path("params.yaml")) -> None:
    """Check params.yaml, the data paths and some files of each split; every problem at once."""
    # Before the imports: a typo is answered at once, whatever else takes seconds
    try:
        checked = read_params(params)
    except ParamsError as error:
        failed(str(error))
        _data_beside(params)
        raise typer.Exit(1) from None
    from pipeline.check import (
        changed_files,
        data_problems,
        held_back_in_words,
        look_at_files,
        other_classes_in_words,
    )
    from pipeline.dvc_view.torn_files import advice

    if torn := advice(params.resolve().parent):
        raise ReadableError(torn)
    problems = data_problems(checked)
    wrong = {problem.partition(":")[0].removeprefix("data.") for problem in problems}
    look = look_at_files(checked.data, class_set(checked.classes), apart_from=wrong)
    problems += look.problems
    if problems:
        raise ReadableError(f"{params}: {len(problems)} problem(s) with the data\n{_listed(problems)}")
    for line in explained_changes(checked):
        console.print(line, highlight=False, soft_wrap=True)
    models, rounds = counted(len(checked.initial_models), "initial model"), counted(len(checked.rounds), "round")
    console.print(f"{params} is fine: {models}, {rounds}")
    if (held_back := held_back_in_words(checked)) is not None:
        console.print(held_back)
    classes = other_classes_in_words(checked)
    for line in (*look.notes, *changed_files(checked.data), *([] if classes is None else [classes])):
        console.print(line, highlight=False, soft_wrap=True)


def _data_beside(params: Path) -> None:
    """Print what is wrong with the data of a params file that has other problems, if its section `data` is sound."""
    from pipeline.check import path_problems

    data = read_data(params)
    problems = [] if data is None else path_problems(data)
    if problems:
        failed(f"{params}: {len(problems)} problem(s) with the data\n{_listed(problems)}")


def _listed(problems: list[str]) -> str:
    return "\n".join(f"  - {problem}" for problem in problems)


@readable
def schema(
    out: Annotated[Path | None, typer.Option(help="file to write; default: standard output")] = None,
) -> None:
    """Print the JSON schema of params.yaml, for editors."""
    text = json.dumps(json_schema(), indent=2) + "\n"
    if out is None:
        typer.echo(text, nl=False)
    else:
        write_text(out, text)
