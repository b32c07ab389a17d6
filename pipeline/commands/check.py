"""``roundabout check`` and ``schema``: what params.yaml may say, and whether it says it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from pipeline.commands.console import console, readable
from pipeline.common.errors import ReadableError
from pipeline.common.files import write_text
from pipeline.params import explained_changes, json_schema, read_params


@readable
def check(params: Annotated[Path, typer.Option(help="the params file")] = Path("params.yaml")) -> None:
    """Check params.yaml and the data paths; every problem at once."""
    from pipeline.check import data_problems, held_back_in_words, other_classes_in_words

    checked = read_params(params)
    problems = data_problems(checked)
    if problems:
        listed = "\n".join(f"  - {problem}" for problem in problems)
        raise ReadableError(f"{params}: {len(problems)} problem(s) with the data\n{listed}")
    for line in explained_changes(checked):
        console.print(line, highlight=False, soft_wrap=True)
    console.print(f"{params} is fine: {len(checked.initial_models)} initial models, {len(checked.rounds)} rounds")
    for line in (held_back_in_words(checked), other_classes_in_words(checked)):
        if line is not None:
            console.print(line, soft_wrap=True)


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
