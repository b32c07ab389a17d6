"""Tables that fit: where one is too wide, its columns follow in several parts, and no word is cut."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from rich.console import Console
from rich.measure import Measurement
from rich.table import Column, Table

from pipeline.commands.console import console as our_console

_LONG = 20
"""Longer words, such as paths, may be broken where columns beside the first would otherwise be too wide."""
_FRAME = 3  # of each column: two spaces and a line


class _Measured(NamedTuple):
    column: Column
    cells: list[Any]
    narrow: int
    """Width of its longest word."""
    wide: int
    """Width without a line break."""


def print_table(table: Table, console: Console = our_console) -> None:
    """Print a table; one that is wider than the terminal in parts, each of which begins with the first column."""
    if Measurement.get(console, console.options.update(width=10_000), table).maximum <= console.width:
        console.print(table)
        return
    first, *others = [_measured(column, console) for column in table.columns]
    first = first._replace(narrow=min(first.narrow, console.width // 2))
    for number, part in enumerate(_parts(first, others, console.width)):
        console.print(_part(table, [first, *part], console.width, titled=number == 0))


def _measured(column: Column, console: Console) -> _Measured:
    cells = list(column.cells)
    sizes = [Measurement.get(console, console.options.update(width=10_000), cell) for cell in (column.header, *cells)]
    narrow, wide = max(size.minimum for size in sizes), max(size.maximum for size in sizes)
    is_first = column._index == 0
    return _Measured(column, cells, narrow if is_first else min(narrow, _LONG), wide)


def _parts(first: _Measured, others: list[_Measured], width: int) -> Iterator[list[_Measured]]:
    """Yield the columns beside the first, as many at a time as there is room for."""
    part: list[_Measured] = []
    for column in others:
        if part and 1 + sum(one.narrow + _FRAME for one in (first, *part, column)) > width:
            yield part
            part = []
        part.append(column)
    yield part


def _part(table: Table, columns: list[_Measured], width: int, titled: bool) -> Table:
    part = Table(title=table.title if titled else None, show_header=table.show_header)
    left = width - 1 - sum(one.narrow + _FRAME for one in columns)
    more = dict[int, int]()
    for number, one in sorted(enumerate(columns), key=lambda pair: (pair[0] > 0, pair[1].wide - pair[1].narrow)):
        more[number] = max(0, min(left, one.wide - one.narrow))
        left -= more[number]
    for number, one in enumerate(columns):
        size = one.narrow + more[number]
        part.add_column(one.column.header, width=size, overflow="fold", justify=one.column.justify)
    for row, cells in zip(table.rows, zip(*(one.cells for one in columns), strict=True), strict=True):
        part.add_row(*cells, style=row.style, end_section=row.end_section)
    return part
