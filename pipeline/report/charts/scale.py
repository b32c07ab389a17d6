"""What all charts share: colours, round ticks, places on an axis."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import NamedTuple

# Okabe and Ito (2008): told apart with every kind of colour vision; their yellow is too light for lines on white.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#AA4499", "#B07D00", "#3A9BD9", "#000000")
INK, GREY = "#1b1f24", "#6e7781"
"""Of strokes; of what adaptation is compared with."""


def colour_of(number: int) -> str:
    """The colour of the line, bar or chain of that number."""
    return COLOURS[number % len(COLOURS)]


def ticks(low: float, high: float, about: int = 4) -> list[float]:
    """Round values (1, 2 or 5 times a power of ten apart) that lie in [low, high]."""
    if not high > low:
        return [low]
    rough = (high - low) / about
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [number * step for number in range(first, last + 1)]


class Axis(NamedTuple):
    """From values to places: ``low`` stands at ``begin``, ``high`` at ``end``."""

    low: float
    high: float
    begin: float
    end: float

    def place(self, value: float) -> float:
        """Where a value stands."""
        return self.begin + (self.end - self.begin) * (value - self.low) / ((self.high - self.low) or 1.0)


def width_of(text: str) -> float:
    """About how wide a name is drawn; rather too wide than cut: fonts differ."""
    return 6.9 * len(text)


def apart(places: list[float], distance: float) -> list[float]:
    """The places moved as little as needed (downwards) so that no two are nearer than ``distance``; order is kept."""
    order = sorted(range(len(places)), key=lambda number: places[number])
    moved = list(places)
    for earlier, later in pairwise(order):
        moved[later] = max(moved[later], moved[earlier] + distance)
    return moved
