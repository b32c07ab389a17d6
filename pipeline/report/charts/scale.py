"""What all charts share: colours, round ticks, positions on an axis."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import NamedTuple

# Okabe and Ito (2008): distinct with every kind of colour vision; their yellow is too light for lines on white.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#AA4499", "#B07D00", "#3A9BD9", "#000000")
INK, GREY = "currentColor", "#6e7781"
"""Of strokes; of the baselines."""


def colour_of(number: int) -> str:
    """Return the colour of the line, bar or chain of that number."""
    return COLOURS[number % len(COLOURS)]


def ticks(low: float, high: float, about: int = 4) -> list[float]:
    """Return round values (1, 2 or 5 times a power of ten apart) in [low, high]."""
    if not high > low:
        return [low]
    rough = (high - low) / about
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [number * step for number in range(first, last + 1)]


class Axis(NamedTuple):
    """Linear map from values to pixels: ``low`` to ``begin``, ``high`` to ``end``."""

    low: float
    high: float
    begin: float
    end: float

    def position(self, value: float) -> float:
        """Return the pixel of a value."""
        return self.begin + (self.end - self.begin) * (value - self.low) / ((self.high - self.low) or 1.0)


def width_of(text: str) -> float:
    """Return about how wide a name is drawn; rather too wide than cut: fonts differ."""
    return 6.9 * len(text)


def apart(positions: list[float], distance: float) -> list[float]:
    """Return the positions moved down just enough that no two are nearer than ``distance``; the order is kept."""
    order = sorted(range(len(positions)), key=lambda number: positions[number])
    moved = list(positions)
    for earlier, later in pairwise(order):
        moved[later] = max(moved[later], moved[earlier] + distance)
    return moved
