"""The table of one class set: number, name, colour, and which labels count as the class."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from pipeline.commands.tables import print_table
from pipeline.common.errors import ReadableError
from pipeline.common.labels import ClassSet, class_set
from pipeline.datasets import compare
from pipeline.datasets.entries import meanings
from pipeline.datasets.meaning import Meanings
from pipeline.params import read_params

if TYPE_CHECKING:
    from pipeline.params import Params


def show_class_set(path: Path) -> None:
    """Print the classes of a file: of a class set, or of params.yaml with the labels of its splits; or a published set.

    Raises:
        ReadableError: the file is missing, or holds neither, and there is no set of that name.
    """
    if _is_params(path):
        params = read_params(path)
        _print(class_set(params.classes), _splits(params))
        return
    try:
        _print(class_set(str(path)), {})
    except ValueError as error:
        raise ReadableError(str(error)) from None


def _is_params(path: Path) -> bool:
    """Whether a file has the sections of params.yaml: a class set has names and no data."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return path.name == "params.yaml"
    return any(line.startswith(("data:", "classes:", "initial_models:")) for line in lines)


def _splits(params: Params) -> dict[str, Meanings]:
    """What labels mean in the source, and in the evaluation where it is by another table."""
    source, evaluation = meanings(params.data.source), meanings(params.data.evaluation)
    return {"source": source} if source == evaluation else {"source": source, "evaluation": evaluation}


def _print(classes: ClassSet, splits: dict[str, Meanings]) -> None:
    heads = [f"labels of the {name}" for name in splits]
    foreground = "" if classes.foreground is None else f"; foreground: {classes.foreground}"
    rows = Table("", "class", "colour", *heads, title=f"{classes.name}: {len(classes)} classes{foreground}")
    for number, (name, colour) in enumerate(zip(classes.names, classes.palette, strict=True)):
        labels = [", ".join(_labels(table, name)) or "–" for table in splits.values()]
        rows.add_row(str(number), Text(name), _swatch(colour), *map(Text, labels))
    print_table(rows)


def _labels(table: Meanings, name: str) -> list[str]:
    """The ids of a class with their published names; colours, where labels are coloured, instead of ids."""
    shown = []
    for identity in compare.ids_of(table, name):
        published = table[identity].published
        if published.startswith("#"):
            shown.append(published)
        else:
            shown.append(str(identity) if published == name else f"{identity} {published}")
    return shown


def _swatch(colour: tuple[int, int, int]) -> Text:
    red, green, blue = colour
    code = f"#{red:02x}{green:02x}{blue:02x}"
    return Text.assemble(("   ", f"on {code}"), f" {code}")
