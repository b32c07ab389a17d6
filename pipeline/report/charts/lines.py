"""Training curves as inline SVG: no library, no network, sharp in print."""

from __future__ import annotations

import csv
from html import escape
from pathlib import Path

from pipeline.report.charts.scale import Axis, colour_of, ticks

WIDTH, HEIGHT, LEFT, BASE, TOP = 360, 190, 38, 168, 30

Line = list[tuple[float, float]]


def read_curve(path: Path) -> Line:
    """Return the points (step, value) of a curve (training/progress.py)."""
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file, delimiter="\t"))
    return [(float(step), float(value)) for step, value in rows[1:]]


def line_chart(title: str, series: dict[str, list[Line]], *, unit: str = "steps") -> str:
    """Return an SVG with a legend; the vertical axis begins at 0. Lines of one name (its seeds) share a colour."""
    points = [point for lines in series.values() for line in lines for point in line]
    if not points:
        return ""
    across = Axis(0.0, max(x for x, _ in points) or 1.0, LEFT, WIDTH - 8)
    up = Axis(0.0, max(y for _, y in points) or 1.0, BASE, TOP)
    drawn, names = [], []
    for number, (name, lines) in enumerate(series.items()):
        colour = colour_of(number)
        for line in lines:
            points_of_line = " ".join(f"{across.position(x):.1f},{up.position(y):.1f}" for x, y in line)
            drawn.append(f'<polyline fill="none" stroke="{colour}" stroke-width="1.4" points="{points_of_line}"/>')
        names.append(f'<tspan dx="8" fill="{colour}">{escape(name)}</tspan>')
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(title)}">'
        f'<text x="{LEFT}" y="14" class="title">{escape(title)}{"".join(names)}</text>'
        f"{_axes(across, up, unit)}{''.join(drawn)}</svg>"
    )


def _axes(across: Axis, up: Axis, unit: str) -> str:
    rows = "".join(
        f'<text x="{LEFT - 4}" y="{up.position(value) + 4:.1f}" text-anchor="end">{value:g}</text>'
        f'<line x1="{LEFT}" x2="{WIDTH - 8}" y1="{up.position(value):.1f}" y2="{up.position(value):.1f}" class="grid"/>'
        for value in ticks(up.low, up.high)
    )
    columns = "".join(
        f'<text x="{across.position(value):.1f}" y="{BASE + 15}" text-anchor="middle">{value:g}</text>'
        for value in ticks(across.low, across.high)[:-1]
    )
    return f'{rows}{columns}<text x="{WIDTH - 4}" y="{BASE + 15}" text-anchor="end">{across.high:g} {unit}</text>'
