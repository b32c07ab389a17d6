"""Which value of a sorted list a portion asks for, when the list is a histogram.

# C class, B bins
"""

from __future__ import annotations

import numpy as np

from pipeline.selection.result import Compat


def selected_rank(total_C: np.ndarray, portion: float, compat: Compat) -> np.ndarray:
    """The rank (C,) of each class's threshold among so many values in falling order; -1 where there is none.

    ``paper``: the first that is not selected when ⌊n_c · p⌋ are. ``author``: the last that is.
    """
    # rounded first: 0.35 * 180 is 62.99999999999999 in floating point
    selected_C = np.floor(np.round(total_C * portion, 9)).astype(np.int64)
    rank_C = selected_C - 1 if compat == "author" else selected_C
    return np.where((rank_C < total_C) & (total_C > 0), rank_C, -1)


def from_above(counts: np.ndarray, rank: int) -> int:
    """The bin that holds the value of this rank, counted from the largest value down."""
    above = np.cumsum(counts[::-1])
    return len(counts) - 1 - int(np.searchsorted(above, rank, side="right"))
