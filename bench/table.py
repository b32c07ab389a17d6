"""What all benchmarks share: rows with goals, a table on the terminal, a JSON file in bench/results/."""

from __future__ import annotations

import platform
from pathlib import Path
from typing import Any, NamedTuple

import torch
from rich.console import Console
from rich.table import Table

from pipeline.common.files import write_json

RESULTS = Path(__file__).parent / "results"


class Row(NamedTuple):
    """A measured figure; ``goal`` says in words what was promised, None where nothing was."""

    row: str
    value: float
    unit: str
    goal: str | None
    met: bool | None


def publish(name: str, rows: list[Row], note: str, **also: Any) -> None:
    """Prints the rows and writes bench/results/NAME.json; ``note`` says on what machine and how they were measured.

    ``also``: what else the file should keep.
    """
    table = Table("row", "value", "unit", "goal", "met", title=f"bench.{name}")
    for row in rows:
        met = "" if row.met is None else ("yes" if row.met else "NO")
        table.add_row(row.row, f"{row.value:.4g}", row.unit, row.goal or "", met)
    console = Console()
    console.print(table)
    console.print(note, highlight=False)
    RESULTS.mkdir(exist_ok=True)
    write_json(RESULTS / f"{name}.json", {"note": note, "rows": [row._asdict() for row in rows], **also})


def machine() -> str:
    """The machine in words, without its name."""
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else f"{torch.get_num_threads()} CPU threads"
    return f"{device}, {platform.machine()}, torch {torch.__version__.split('+')[0]}"
