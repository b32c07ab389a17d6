"""A confusion matrix of pixels as inline SVG."""

# C class

from __future__ import annotations

from html import escape

import numpy as np

CELL, LEFT, TOP = 17, 92, 92
_DARK = (8, 48, 107)


def shares_of(confusion_CC: np.ndarray) -> np.ndarray:
    """Return each row over its sum: the predictions of a true class; NaN in the rows of classes without pixels."""
    total_C1 = confusion_CC.sum(axis=1, keepdims=True).astype(np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        shares_CC: np.ndarray = confusion_CC / total_C1
    return shares_CC


def confusion_chart(title: str, confusion_CC: np.ndarray, classes: list[str]) -> str:
    """Return an SVG: rows are the truth, columns the prediction, shade and number the share of the row in percent.

    The shade follows the square root of the share, so that mistakes of some percent are visible.
    """
    share_CC = shares_of(confusion_CC)
    width, height = LEFT + CELL * len(classes) + 46, TOP + CELL * len(classes) + 8
    cells = "".join(
        _cell(row, column, float(share_CC[row, column]), classes)
        for row in range(len(classes))
        for column in range(len(classes))
    )
    names = "".join(
        f'<text x="{LEFT - 5}" y="{TOP + CELL * number + 12}" text-anchor="end">{escape(name)}</text>'
        f'<text transform="translate({LEFT + CELL * number + 12},{TOP - 5}) rotate(-60)">{escape(name)}</text>'
        for number, name in enumerate(classes)
    )
    return (
        f'<svg viewBox="0 0 {width} {height}" class="confusion" role="img" aria-label="{escape(title)}">'
        f'<text x="2" y="14" class="title">{escape(title)}</text>'
        f'<text x="2" y="{TOP - 5}" class="unit">truth ↓</text><text x="{LEFT - 5}" y="30" text-anchor="end" '
        f'class="unit">prediction →</text>{names}{cells}</svg>'
    )


def shade(share: float) -> str:
    """Return a colour from white to dark blue by the square root of a share."""
    strength = min(1.0, max(0.0, share)) ** 0.5
    return "#" + "".join(f"{round(255 + (channel - 255) * strength):02x}" for channel in _DARK)


def _cell(row: int, column: int, share: float, classes: list[str]) -> str:
    x, y = LEFT + CELL * column, TOP + CELL * row
    if np.isnan(share):
        return f'<rect x="{x}" y="{y}" width="{CELL - 1}" height="{CELL - 1}" fill="#f0f0f0"/>'
    words = f"{escape(classes[row])} → {escape(classes[column])}: {100 * share:.1f} %"
    edge = ' stroke="#d55e00"' if row == column else ""
    cell = (
        f'<rect x="{x}" y="{y}" width="{CELL - 1}" height="{CELL - 1}" fill="{shade(share)}"{edge}>'
        f"<title>{words}</title></rect>"
    )
    if share < 0.095:
        return cell
    ink = "#fff" if share > 0.2 else "#1b1f24"
    return f'{cell}<text x="{x + 8}" y="{y + 11}" class="number" fill="{ink}">{100 * share:.0f}</text>'
