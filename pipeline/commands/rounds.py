"""``roundabout rounds``: a ready block of rounds with a method's own schedule."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, NamedTuple

import typer

from pipeline.commands.console import readable
from pipeline.common.errors import ReadableError


class Schedule(NamedTuple):
    """How a method's portion grows, as its paper says; None where it has none."""

    portion: float | None
    step: float
    largest: float
    rounds: int
    """As many as the paper runs."""
    section: str
    """What params.yaml must say of the method."""
    besides: str = ""
    """What else it must say."""


SCHEDULES = {
    "lse": Schedule(0.10, 0.05, 0.40, 7, "lse: {compat: paper, patches: 4, patch_size: [0.5, 0.5]}"),
    "cbst": Schedule(0.20, 0.05, 0.50, 3, "cbst: {compat: paper}"),
    "st": Schedule(0.20, 0.05, 0.50, 3, "cbst: {compat: paper}"),
    "cbst-sp": Schedule(0.20, 0.05, 0.50, 3, "cbst: {compat: paper}", "data.spatial_prior: true"),
    "intrada": Schedule(None, 0.0, 0.0, 1, "intrada: {compat: paper}"),
    "cada": Schedule(None, 0.0, 0.0, 2, "cada: {compat: paper, delta: 0.0}"),
}


EASY = 0.67
"""IntraDA's λ for streets."""


# Alignments with which the papers' first rounds begin; the others begin with source-only.
ALIGNED = {"intrada": "advent", "cada": "style"}


class RoundsOf(StrEnum):
    """The methods that have a schedule."""

    lse = "lse"
    cbst = "cbst"
    cbst_sp = "cbst-sp"
    st = "st"
    intrada = "intrada"
    cada = "cada"


@readable
def rounds(
    method: Annotated[
        RoundsOf,
        typer.Argument(help="the method; st is cbst with one threshold for all classes, cbst-sp with spatial priors"),
    ],
    init: Annotated[str, typer.Option(help="the start that the first round begins with")] = "source-only",
    count: Annotated[int | None, typer.Option("--rounds", min=1, help="how many; default: the paper's")] = None,
    portion: Annotated[float | None, typer.Option(help="of the first round; default: the paper's")] = None,
    easy: Annotated[
        float | None, typer.Option(help="intrada: λ, share of easy images; default: the paper's 0.67 (its digits: 0.8)")
    ] = None,
) -> None:
    """Print a `rounds:` block for params.yaml with a method's own schedule."""
    schedule = SCHEDULES[method.value]
    if portion is not None and schedule.portion is None:
        raise ReadableError(f"{method.value} has no portion")
    if portion is not None and not 0 < portion <= 1:
        raise ReadableError(f"--portion: is {portion}; above 0 and up to 1 is needed")
    if easy is not None and method is not RoundsOf.intrada:
        raise ReadableError(f"{method.value} has no easy images")
    if easy is not None and not 0 < easy <= 1:
        raise ReadableError(f"--easy: is {easy}; above 0 and up to 1 is needed")
    made = block_of(method.value, count or schedule.rounds, init, portion, EASY if easy is None else easy)
    besides = f" and `{schedule.besides}`" if schedule.besides else ""
    typer.echo("# These lines belong under `rounds:` of params.yaml, of which there may be one only.")
    typer.echo(f"# The file needs the section `{schedule.section}`{besides}, too.")
    if method.value in ("cbst", "cbst-sp", "st"):
        typer.echo(
            "# All of the source takes part. CBST's released code takes 3 % of GTA5, 0.25 % more with each round:"
        )
        typer.echo("# `source_portion: 0.03`, 0.0325, …")
    if method.value in ALIGNED and init == "source-only":
        start = ALIGNED[method.value]
        typer.echo(
            f"# The paper begins with a start `{start}: {{supervision: source, alignment: {start}}}`: --init {start}"
        )
        if method is RoundsOf.cada:
            typer.echo(
                "# CADA's learns from what CycleGAN makes of the source: its `supervision:` is that translation."
            )
    typer.echo("rounds:")
    for name, entry in made.items():
        fields = ", ".join(
            f"{key}: {value:.2f}" if key == "portion" else f"{key}: {str(value).lower() if value is True else value}"
            for key, value in entry.items()
        )
        typer.echo(f"  {name}: {{{fields}}}")


def block_of(
    method: str, count: int, init: str, portion: float | None = None, easy: float = EASY
) -> dict[str, dict[str, Any]]:
    """The entries of ``rounds:`` by name: a chain of rounds whose portion grows as the schedule says."""
    schedule = SCHEDULES[method]
    made: dict[str, dict[str, Any]] = {}
    for number in range(1, count + 1):
        begins = init if number == 1 else f"{method}-{number - 1}"
        entry: dict[str, Any] = {"method": "cbst" if method in ("st", "cbst-sp") else method, "init": begins}
        if schedule.portion is not None:
            first = schedule.portion if portion is None else portion
            # the largest portion is the schedule's end, not a limit on what the user asks to begin with
            entry["portion"] = round(min(first + (number - 1) * schedule.step, max(first, schedule.largest)), 4)
        if method == "st":
            entry["thresholds"] = "global"
        if method == "cbst-sp":
            entry["spatial_prior"] = True
        if method == "intrada":
            entry["easy"] = easy
        made[f"{method}-{number}"] = entry
    return made
