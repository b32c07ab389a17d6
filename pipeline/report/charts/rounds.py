"""A value of each chain over its rounds, with the spread over seeds, as inline SVG."""

from __future__ import annotations

from html import escape
from typing import NamedTuple

from pipeline.evaluation.over_seeds import Spread
from pipeline.report.charts.scale import GREY, Axis, apart, colour_of, ticks, width_of

HEIGHT, LEFT, TOP, BASE = 290, 40, 34, 254
WIDTH, RIGHT, NARROWEST = 560, 430, 300
"""Width of the chart, end of the lines and begin of their names, and the least that this end may be."""


class _Name(NamedTuple):
    """Name beside the end of a line."""

    text: str
    colour: str
    value: float


class Track(NamedTuple):
    """One chain: its values by round (0 is the initial model)."""

    label: str
    values: dict[int, Spread]


def rounds_chart(title: str, tracks: list[Track], levels: dict[str, Spread], *, least: float) -> str:
    """Return an SVG; ``levels`` are dashed lines across (source-only, oracle).

    The vertical axis need not begin at 0, but spans at least ``least``, so that small differences do not look steep.
    """
    tracks = [track for track in tracks if track.values]
    spreads = [value for track in tracks for value in track.values.values()] + list(levels.values())
    if not tracks or not spreads:
        return ""
    low, high = min(_low(value) for value in spreads), max(_high(value) for value in spreads)
    room = max((high - low) * 0.06, (least - (high - low)) / 2)
    up = Axis(max(0.0, low - room), min(1.0, high + room), BASE, TOP)  # shares
    last = max(number for track in tracks for number in track.values)
    first = min(number for track in tracks for number in track.values)
    names = _names(tracks, levels)
    needs = 8 + max(width_of(name.text) for name in names)
    right = min(RIGHT, max(NARROWEST, WIDTH - needs))
    width = max(WIDTH, right + needs)
    across = Axis(first - 0.25, max(last, first + 1) + 0.15, LEFT, right)
    axes = _axes(across, up, range(first, last + 1))
    lines = "".join(_track(track, number, len(tracks), across, up) for number, track in enumerate(tracks))
    return (
        f'<svg viewBox="0 0 {width:.0f} {HEIGHT}" class="wide" role="img" aria-label="{escape(title)}">'
        f'<text x="{LEFT}" y="14" class="title">{escape(title)}</text>'
        f"{axes}{_levels(levels, across, up)}{lines}{_beside(names, across, up)}</svg>"
    )


def _track(track: Track, number: int, count: int, across: Axis, up: Axis) -> str:
    colour, aside = colour_of(number), (number - (count - 1) / 2) * 5
    positions = [
        (across.position(at) + (aside if at else 0), value, up.position(value.mean))
        for at, value in sorted(track.values.items())
    ]
    line = " ".join(f"{x:.1f},{y:.1f}" for x, _, y in positions)
    marks = "".join(_whisker(x, value, up, colour) + _mark(number, x, y, colour) for x, value, y in positions)
    return f'<polyline fill="none" stroke="{colour}" stroke-width="1.8" points="{line}"/>{marks}'


def _whisker(x: float, value: Spread, up: Axis, colour: str) -> str:
    if value.deviation is None:
        return ""
    top, base = up.position(_high(value)), up.position(_low(value))
    return (
        f'<path d="M{x:.1f} {top:.1f}V{base:.1f}M{x - 3:.1f} {top:.1f}h6M{x - 3:.1f} {base:.1f}h6" '
        f'stroke="{colour}" stroke-width="1.2" fill="none"/>'
    )


def _mark(number: int, x: float, y: float, colour: str) -> str:
    """A shape of its own for each chain, so that they differ in more than colour."""
    shapes = (
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.6" fill="{colour}"/>',
        f'<rect x="{x - 3.2:.1f}" y="{y - 3.2:.1f}" width="6.4" height="6.4" fill="{colour}"/>',
        f'<path d="M{x:.1f} {y - 4.4:.1f}l4.2 7.4h-8.4z" fill="{colour}"/>',
        f'<path d="M{x:.1f} {y - 4.6:.1f}l4.6 4.6l-4.6 4.6l-4.6 -4.6z" fill="{colour}"/>',
    )
    return shapes[number % len(shapes)]


def _levels(levels: dict[str, Spread], across: Axis, up: Axis) -> str:
    return "".join(
        f'<line x1="{LEFT}" x2="{across.end:.1f}" y1="{y:.1f}" y2="{y:.1f}" stroke="{GREY}" stroke-dasharray="5 4"/>'
        for y in (up.position(value.mean) for value in levels.values())
    )


def _names(tracks: list[Track], levels: dict[str, Spread]) -> list[_Name]:
    ends = [(name, GREY, value.mean) for name, value in levels.items()]
    ends += [
        (track.label, colour_of(number), track.values[max(track.values)].mean) for number, track in enumerate(tracks)
    ]
    return [_Name(f"{name} {100 * value:.1f}", colour, value) for name, colour, value in ends]


def _beside(names: list[_Name], across: Axis, up: Axis) -> str:
    positions = apart([up.position(name.value) for name in names], 13)
    too_low = max(0.0, max(positions, default=0) - BASE)
    return "".join(
        f'<text x="{across.end + 6:.1f}" y="{y - too_low + 4:.1f}" fill="{name.colour}" class="name">'
        f"{escape(name.text)}</text>"
        for name, y in zip(names, positions, strict=True)
    )


def _axes(across: Axis, up: Axis, rounds: range) -> str:
    rows = "".join(
        f'<text x="{LEFT - 5}" y="{up.position(value) + 4:.1f}" text-anchor="end">{100 * value:g}</text>'
        f'<line x1="{LEFT}" x2="{across.end:.1f}" y1="{up.position(value):.1f}" y2="{up.position(value):.1f}" '
        'class="grid"/>'
        for value in ticks(up.low, up.high, 5)
    )
    columns = "".join(
        f'<text x="{across.position(number):.1f}" y="{BASE + 16}" text-anchor="middle">{_round(number)}</text>'
        for number in rounds
    )
    return f'{rows}{columns}<text x="{LEFT}" y="28" class="unit">percent</text>'


def _round(number: int) -> str:
    return f"round {number}" if number else "initial"


def _low(value: Spread) -> float:
    return value.mean - (value.deviation or 0.0)


def _high(value: Spread) -> float:
    return value.mean + (value.deviation or 0.0)
