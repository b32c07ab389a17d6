"""``roundabout rounds``: a ready block of rounds with a method's own schedule."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from pipeline.commands.choices import choices
from pipeline.commands.console import readable
from pipeline.common.errors import ReadableError
from pipeline.methods.registry import paper_rounds

_SHARES = {"portion": "portion", "easy": "easy images"}
"""What the shares that methods select are called, by the field of their rounds, which is the option's name too."""
RoundsOf = choices("RoundsOf", paper_rounds())


@readable
def rounds(
    method: Annotated[
        RoundsOf,  # type: ignore[valid-type]
        typer.Argument(
            help="the method; st is cbst with one threshold for all classes, cbst-sp with spatial priors; dacs, "
            "daformer and mic are teacher with their papers' values"
        ),
    ],
    init: Annotated[str, typer.Option(help="the initial model that the first round begins with")] = "source-only",
    count: Annotated[int | None, typer.Option("--rounds", min=1, help="how many; default: the paper's")] = None,
    portion: Annotated[float | None, typer.Option(help="of the first round; default: the paper's")] = None,
    easy: Annotated[
        float | None, typer.Option(help="intrada: λ, share of easy images; default: the paper's 0.67 (its digits: 0.8)")
    ] = None,
) -> None:
    """Print a `rounds:` block for params.yaml with a method's own schedule."""
    name = str(method)
    paper = paper_rounds()[name][1]
    share = _chosen_share(name, {"portion": portion, "easy": easy})
    besides = f" and `{paper.besides}`" if paper.besides else ""
    hints = list(paper.hints)
    if paper.initial_alignment is not None and init == "source-only":
        initial = paper.initial_alignment
        hints.append(
            f"The paper begins with an initial model `{initial}: {{supervision: source, alignment: {initial}}}`: "
            f"--init {initial}"
        )
        hints += paper.initial_hints
    typer.echo("# These lines belong under `rounds:` of params.yaml, of which there may be one only.")
    typer.echo(f"# The file needs the section `{paper.section}`{besides}, too.")
    for hint in hints:
        typer.echo(f"# {hint}")
    typer.echo("rounds:")
    for round_name, entry in block_of(name, count or paper.rounds, init, share).items():
        typer.echo(f"  {round_name}: {{{', '.join(_field(key, value) for key, value in entry.items())}}}")


def _chosen_share(name: str, given: dict[str, float | None]) -> float | None:
    """Return the share of the first round that was asked for, if any.

    Raises:
        ReadableError: the method selects no such share, or it is not in (0, 1].
    """
    method, paper = paper_rounds()[name]
    share = None if paper.first is None else method.share
    for field, value in given.items():
        if value is not None and (share is None or share.field != field):
            raise ReadableError(f"{name} has no {_SHARES[field]}")
        if value is not None and not 0 < value <= 1:
            raise ReadableError(f"--{field}: is {value}; above 0 and up to 1 is needed")
    return None if share is None else given[share.field]


def _field(key: str, value: Any) -> str:
    if key == "portion":
        return f"{key}: {value:.2f}"
    if isinstance(value, dict):
        return f"{key}: {{{', '.join(_field(inner, part) for inner, part in value.items())}}}"
    return f"{key}: {str(value).lower() if value is True else value}"


def block_of(name: str, count: int, init: str, first: float | None = None) -> dict[str, dict[str, Any]]:
    """Return the entries of ``rounds:`` by name: a chain of rounds whose share grows as the paper says.

    ``name`` is one of ``paper_rounds()``; ``first`` is the first round's share, by default the paper's.
    """
    method, paper = paper_rounds()[name]
    entries: dict[str, dict[str, Any]] = {}
    for number in range(1, count + 1):
        entry: dict[str, Any] = {"method": method.name, "init": init if number == 1 else f"{name}-{number - 1}"}
        if method.share is not None and paper.first is not None:
            begin = paper.first if first is None else first
            # the largest share is the schedule's end, not a limit on what the user asks to begin with
            entry[method.share.field] = round(min(begin + (number - 1) * paper.step, max(begin, paper.largest)), 4)
        entries[f"{name}-{number}"] = entry | dict(paper.fixed)
    return entries
