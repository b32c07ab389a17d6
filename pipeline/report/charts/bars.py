"""Bars of each class as inline SVG: the baseline in grey, one colour per chain, the oracle as a stroke."""

from __future__ import annotations

from html import escape

from pipeline.evaluation.over_seeds import Spread
from pipeline.report.charts.scale import GREY, INK, Axis, colour_of, width_of

WIDTH, LEFT, TOP, BAR, GAP, LINE = 720, 104, 40, 8, 9, 16
"""``TOP`` with a legend of one line; each more moves everything down by ``LINE``."""

Bars = dict[str, list[Spread | None]]


def class_bars(title: str, classes: list[str], base: Bars, tracks: Bars, oracle: list[Spread | None] | None) -> str:
    """Return an SVG with a bar of each entry of ``base`` and ``tracks`` for each class, with its spread; 0 to 100 %."""
    bars = [(name, GREY, values) for name, values in base.items()]
    bars += [(name, colour_of(number), values) for number, (name, values) in enumerate(tracks.items())]
    if not bars or not classes:
        return ""
    names = [(name, _square(colour)) for name, colour, _ in bars]
    if oracle is not None:
        names.append(("oracle", _ORACLE))
    positions = _positions([name for name, _ in names])
    top = TOP + LINE * positions[-1][1]
    across = Axis(0.0, 1.0, LEFT, WIDTH - 12)
    step = BAR * len(bars) + GAP
    height = top + step * len(classes) + 20
    rows = "".join(
        _class(name, top + number * step, [(colour, values[number]) for _, colour, values in bars], across)
        + _stroke(None if oracle is None else oracle[number], top + number * step, BAR * len(bars), across)
        for number, name in enumerate(classes)
    )
    return (
        f'<svg viewBox="0 0 {WIDTH} {height}" class="full" role="img" aria-label="{escape(title)}">'
        f"{_legend(names, positions)}{_axis(across, top, height)}{rows}</svg>"
    )


def _class(name: str, top: float, bars: list[tuple[str, Spread | None]], across: Axis) -> str:
    middle = top + BAR * len(bars) / 2
    drawn = [f'<text x="{LEFT - 8}" y="{middle + 4:.1f}" text-anchor="end" class="name">{escape(name)}</text>']
    for number, (colour, value) in enumerate(bars):
        if value is None:
            continue
        y = top + BAR * number
        drawn.append(
            f'<rect x="{LEFT}" y="{y + 0.5:.1f}" width="{across.position(value.mean) - LEFT:.1f}" height="{BAR - 1}" '
            f'fill="{colour}"><title>{escape(name)}: {100 * value.mean:.1f}</title></rect>'
        )
        if value.deviation is not None:
            left, right = (
                across.position(max(0.0, value.mean - value.deviation)),
                across.position(min(1.0, value.mean + value.deviation)),
            )
            drawn.append(f'<path d="M{left:.1f} {y + BAR / 2:.1f}H{right:.1f}" stroke="{INK}" stroke-width="1.1"/>')
    return "".join(drawn)


def _stroke(value: Spread | None, top: float, height: float, across: Axis) -> str:
    if value is None:
        return ""
    x = across.position(value.mean)
    return f'<path d="M{x:.1f} {top - 2:.1f}v{height + 4:.1f}" stroke="{INK}" stroke-width="2.2"/>'


_ORACLE = f'<path d="M4 3v12" stroke="{INK}" stroke-width="2.2"/>'


def _square(colour: str) -> str:
    return f'<rect x="0" y="4" width="10" height="10" fill="{colour}"/>'


def _positions(names: list[str]) -> list[tuple[float, int]]:
    """Where each entry of the legend begins, and in which line; a new line where the chart ends."""
    positions, x, line = [], float(LEFT), 0
    for name in names:
        needs = 14 + width_of(name)
        if x > LEFT and x + needs > WIDTH:
            x, line = float(LEFT), line + 1
        positions.append((x, line))
        x += needs + 16
    return positions


def _legend(names: list[tuple[str, str]], positions: list[tuple[float, int]]) -> str:
    return "".join(
        f'<g transform="translate({x:.0f} {LINE * line})">{sign}'
        f'<text x="14" y="13" class="name">{escape(name)}</text></g>'
        for (name, sign), (x, line) in zip(names, positions, strict=True)
    )


def _axis(across: Axis, top: float, height: float) -> str:
    positions = [(percent, across.position(percent / 100)) for percent in (0, 20, 40, 60, 80, 100)]
    return "".join(
        f'<path d="M{x:.1f} {top - 6}V{height - 18}" class="grid"/>'
        f'<text x="{x:.1f}" y="{top - 10}" text-anchor="middle">{percent}</text>'
        f'<text x="{x:.1f}" y="{height - 5}" text-anchor="middle">{percent}</text>'
        for percent, x in positions
    )
