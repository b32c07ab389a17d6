"""``roundabout classes``: what the labels of a source and of a target have in common."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from pipeline.commands.class_table import show_class_set
from pipeline.commands.console import console, readable
from pipeline.commands.tables import print_table
from pipeline.common.errors import ReadableError
from pipeline.common.labels import CITYSCAPES_19, CLASS_SETS, NTHU_MERGES, ClassSet, class_set
from pipeline.datasets import compare
from pipeline.datasets.entries import PUBLISHED
from pipeline.datasets.entries import meanings as meanings_of
from pipeline.datasets.meaning import Meanings
from pipeline.params import read_params

_NAMES = ", ".join(PUBLISHED)


@readable
def classes(
    file: Annotated[
        Path | None, typer.Argument(help="a file of a class set, params.yaml, or a class set: shows its table")
    ] = None,
    source: Annotated[str | None, typer.Option(help=f"a data set: {_NAMES}; default: params.yaml")] = None,
    target: Annotated[str | None, typer.Option(help="the same, for the labels that are scored")] = None,
    chosen: Annotated[str | None, typer.Option("--classes", help=f"a class set: {', '.join(CLASS_SETS)}")] = None,
    params: Annotated[Path, typer.Option(help="the params file")] = Path("params.yaml"),
) -> None:
    """Show a class set; or how label ids of source and target become classes: what maps, merges, is ignored."""
    if file is not None:
        show_class_set(file)
        return
    if (source is None) != (target is None):
        raise ReadableError(
            f"say both --source and --target, or neither (params.yaml then says it); there are {_NAMES}"
        )
    own: ClassSet | None = None
    if source is not None and target is not None:
        sides = {name: _published(name) for name in (source, target)}
        pair = source, target
    else:
        read = read_params(params)
        own = class_set(read.classes)
        pair = f"source ({read.data.source.layout})", f"evaluation ({read.data.evaluation.layout})"
        sides = {pair[0]: meanings_of(read.data.source), pair[1]: meanings_of(read.data.evaluation)}
    if chosen is not None:
        own = _class_set(chosen)
    _print_table(pair, sides, own or CITYSCAPES_19)
    _print_fits(pair, sides, own)
    _print_rest(sides, own or CITYSCAPES_19)
    if "nthu" in pair[1]:
        merges = ", ".join(f"{name}: {into}" for name, into in NTHU_MERGES.items())
        _say(f": evaluate.merge: {{{merges}}}, and a subset of the 13", "NTHU with a network of 19 classes")


def _published(name: str) -> Meanings:
    if name not in PUBLISHED:
        raise ReadableError(f"there is no data set {name!r}; choose one of {_NAMES}")
    return PUBLISHED[name]


def _class_set(name: str) -> ClassSet:
    try:
        return class_set(name)
    except ValueError as error:
        raise ReadableError(str(error)) from None


def _print_table(pair: tuple[str, str], sides: dict[str, Meanings], own: ClassSet) -> None:
    """A row for each class: the ids on both sides, and the class sets that have it."""
    known = {
        name: classes
        for name, classes in CLASS_SETS.items()
        if name != own.name and set(classes.names) & set(own.names)
    }
    table = Table("class", *pair, *known, title=f"The classes of {own.name}")
    for name in own.names:
        marks = ("yes" if name in classes.names else "" for classes in known.values())
        table.add_row(name, *(_ids(sides[side], name) for side in pair), *marks)
    print_table(table)


def _ids(meanings: Meanings, class_name: str) -> str:
    shown = [
        f"{identity} {meanings[identity].published}" + ("" if meanings[identity].occurs else " (not in the files)")
        for identity in compare.ids_of(meanings, class_name)
    ]
    return ", ".join(shown) or "–"


def _print_fits(pair: tuple[str, str], sides: dict[str, Meanings], own: ClassSet | None) -> None:
    """How many classes of each class set are trained and scored, and which are not."""
    table = Table(
        "class set", "trained and scored", f"no label in {pair[0]}", f"no label in {pair[1]}", title="Protocols"
    )
    for classes in CLASS_SETS.values() if own is None else (own, *(c for c in CLASS_SETS.values() if c is not own)):
        fit = compare.fit(sides[pair[0]], sides[pair[1]], classes)
        if not fit.in_both():
            continue  # digits and streets have nothing in common
        lacking = (", ".join(names) or "–" for names in (fit.not_in_source, fit.not_in_target))
        table.add_row(classes.name, f"{fit.in_both()} of {len(classes)}", *lacking)
    print_table(table)
    base = compare.fit(sides[pair[0]], sides[pair[1]], own or CITYSCAPES_19)
    if base.not_in_source and not set(base.not_in_source) <= set(base.not_in_target):
        count, has = len(base.classes), len(base.classes) - len(base.not_in_source)
        _say(
            f"A mean over the {count} classes of {base.classes.name} counts the {len(base.not_in_source)} that"
            f" {pair[0]} never shows as 0: it is {has}/{count} of the mean over the {has}. Papers report the latter."
        )


def _print_rest(sides: dict[str, Meanings], own: ClassSet) -> None:
    for side, meanings in sides.items():
        _say("", side)
        for name, published in compare.merged(meanings, own).items():
            _say(f"  merged into {name}: {', '.join(published)}")
        _say(f"  ignored: {', '.join(compare.ignored(meanings, own)) or 'nothing'}")


def _say(text: str, heading: str = "") -> None:
    whole = Text.assemble("\n" if heading else "", (heading, "bold"), text)
    console.print(whole, highlight=False, soft_wrap=True)
