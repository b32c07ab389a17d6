"""Tables in narrow terminals: nothing is cut, and no line is longer than the terminal."""

from __future__ import annotations

from io import StringIO

import pytest
from rich.console import Console
from rich.table import Table

from pipeline.commands.tables import print_table

HEADS = ("run", *(f"measurement {number}" for number in range(8)), "why")
WORDS = "inputs: data/prepared/source, runs/source-only/model.pt; in DVC's cache"


def printed(width: int) -> list[str]:
    table = Table(*HEADS, title="Results")
    table.add_row("source-only", *(f"{number}.25" for number in range(8)), WORDS, style="bold", end_section=True)
    table.add_row("lse-1", *["–"] * 9)
    buffer = StringIO()
    print_table(table, Console(file=buffer, width=width, markup=False))
    return buffer.getvalue().splitlines()


@pytest.mark.parametrize("width", [40, 60, 80, 120, 400])
def test_a_table_is_whole_at_every_width(width: int) -> None:
    lines = printed(width)
    text = "\n".join(lines)
    assert max(map(len, lines)) <= width
    assert "…" not in text
    for word in ("source-only", *(f"{number}.25" for number in range(8)), "measurement", "Results"):
        assert word in text
    last_cells = "".join(line.split("│")[-2] for line in lines if "│" in line)
    assert WORDS.replace(" ", "") in last_cells.replace(" ", "")
    parts = sum("source-only" in line for line in lines)
    assert (parts == 1) == (width == 400)


def test_one_wide_column_alone_is_folded() -> None:
    table = Table("name", "value", show_header=False)
    table.add_row("x", "a" * 100)
    buffer = StringIO()
    print_table(table, Console(file=buffer, width=30))
    assert buffer.getvalue().count("a") == 100
