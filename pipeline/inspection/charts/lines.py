"""A line chart as inline SVG: no library, no network, sharp in print."""

from __future__ import annotations

import csv
from html import escape
from pathlib import Path

WIDTH, HEIGHT, LEFT, BOTTOM = 360, 170, 44, 24
# Okabe and Ito (2008): told apart with every kind of colour vision.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")

Series = dict[str, list[tuple[float, float]]]


def read_curve(path: Path) -> list[tuple[float, float]]:
    """(step, value) of one of DVCLive's TSVs."""
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file, delimiter="\t"))
    return [(float(step), float(value)) for step, value in rows[1:]]


def line_chart(title: str, series: Series) -> str:
    """An SVG figure with a legend; the vertical axis begins at 0."""
    points = [point for line in series.values() for point in line]
    if not points:
        return ""
    right, top = max(x for x, _ in points) or 1.0, max(y for _, y in points) or 1.0
    lines, names = [], []
    for number, (name, line) in enumerate(series.items()):
        colour = COLOURS[number % len(COLOURS)]
        place = " ".join(f"{_x(x, right):.1f},{_y(y, top):.1f}" for x, y in line)
        lines.append(f'<polyline fill="none" stroke="{colour}" stroke-width="1.6" points="{place}"/>')
        names.append(f'<tspan dx="8" fill="{colour}">{escape(name)}</tspan>')
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT + BOTTOM}" role="img" aria-label="{escape(title)}">'
        f'<text x="{LEFT}" y="12" class="title">{escape(title)}{"".join(names)}</text>'
        f"{_axes(right, top)}{''.join(lines)}</svg>"
    )


def _axes(right: float, top: float) -> str:
    base = HEIGHT - 4
    ticks = "".join(
        f'<text x="{LEFT - 4}" y="{_y(top * share, top) + 4:.1f}" text-anchor="end">{top * share:.3g}</text>'
        f'<line x1="{LEFT}" x2="{WIDTH}" y1="{_y(top * share, top):.1f}" y2="{_y(top * share, top):.1f}" class="grid"/>'
        for share in (0.0, 0.5, 1.0)
    )
    return (
        f'{ticks}<text x="{LEFT}" y="{base + 18}">0</text>'
        f'<text x="{WIDTH}" y="{base + 18}" text-anchor="end">{right:g} steps</text>'
    )


def _x(value: float, right: float) -> float:
    return LEFT + (WIDTH - LEFT) * value / right


def _y(value: float, top: float) -> float:
    return HEIGHT - 4 - (HEIGHT - 28) * value / top
