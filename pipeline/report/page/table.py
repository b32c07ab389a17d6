"""Tables of the page: cells with a spread in small print and a shade."""

from __future__ import annotations

from typing import NamedTuple

from pipeline.evaluation.over_seeds import Spread, percent, plus_minus

_BLUE, _ORANGE = (0, 114, 178), (213, 94, 0)
_STRONGEST = 0.42  # of a shade: dark text on it keeps a contrast of more than 7


class Cell(NamedTuple):
    """One cell: its text, the spread below it, its background."""

    text: str
    small: str = ""
    shade: str = ""
    strong: bool = False


class Row(NamedTuple):
    """One row; ``swatch`` is a colour shown before its head."""

    head: str
    cells: list[Cell]
    swatch: str = ""
    quiet: bool = False


class Table(NamedTuple):
    """A table with its caption."""

    caption: str
    corner: str
    columns: list[str]
    rows: list[Row]
    note: str = ""


DASH = Cell("–")


def share_cell(value: Spread | None, shade: str = "", *, strong: bool = False) -> Cell:
    """Return a share in percent, its deviation below."""
    return DASH if value is None else Cell(percent(value.mean), plus_minus(value), shade, strong)


def points_cell(value: Spread | None) -> Cell:
    """Return a difference of shares in points, with its sign."""
    return DASH if value is None else Cell(percent(value.mean, signed=True), plus_minus(value))


def amount(strength: float) -> str:
    """Return a background that grows with a strength in [0,1]."""
    return _tint(_BLUE, strength)


def balance(strength: float) -> str:
    """Return a background from orange (-1) over none (0) to blue (1)."""
    return _tint(_BLUE if strength > 0 else _ORANGE, abs(strength))


def _tint(colour: tuple[int, int, int], strength: float) -> str:
    alpha = _STRONGEST * min(1.0, max(0.0, strength))
    return "" if alpha < 0.02 else f"rgb({colour[0]} {colour[1]} {colour[2]} / {alpha:.2f})"
