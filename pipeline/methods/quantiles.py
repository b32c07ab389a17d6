"""Which value of a sorted list a portion asks for, when the list is a histogram.

# C class, B bins
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from pipeline.methods.selection_file import Compat


class Ranks(NamedTuple):
    """Rank of each class's threshold among its values in falling order."""

    rank_C: np.ndarray
    """-1 where there is none."""
    below_all_C: np.ndarray
    """Whether everything is selected: the threshold is just below the value of that rank, the smallest."""


def selected_ranks(total_C: np.ndarray, portion: float, compat: Compat) -> Ranks:
    """Return the ranks that a portion asks for among so many values.

    ``paper``: the first that is not selected when ⌊n_c · p⌋ are. ``author``: the last that is.
    """
    selected_C = np.floor(_product(total_C, portion, compat)).astype(np.int64)
    if compat == "author":
        rank_C = np.where((selected_C > 0) & (total_C > 0), selected_C - 1, -1)
        return Ranks(rank_C, np.zeros(len(rank_C), bool))
    below_all_C = (selected_C >= total_C) & (total_C > 0)
    rank_C = np.where(below_all_C, total_C - 1, selected_C)
    return Ranks(np.where(total_C > 0, rank_C, -1), below_all_C)


def selected_count(total: int, portion: float, compat: Compat) -> int:
    """Return how many of ``total`` a portion is, rounded down."""
    return int(np.floor(_product(np.array(total), portion, compat)))


def _product(total: np.ndarray, portion: float, compat: Compat) -> np.ndarray:
    # 0.35 * 180 is 62.99999999999999 in floating point: the papers mean 63, the released codes take 62
    product: np.ndarray = total * portion
    return product if compat == "author" else np.round(product, 9)


def lies_below(ranks: Ranks, larger_C: np.ndarray | int, compat: Compat) -> np.ndarray:
    """Return whether each threshold is just below the value of its rank; ``larger_C``: how many values are larger.

    Sure networks give many pixels exactly 1: where a tie of the largest fills the portion, it is kept whole.
    """
    tied_C = (ranks.rank_C > 0) & (larger_C == 0) & (compat == "paper")
    below_C: np.ndarray = ranks.below_all_C | tied_C
    return below_C


def just_below(value: float) -> float:
    """Return the next smaller float32 above 0: thresholds are compared with >, so that the value is selected too."""
    return float(max(np.nextafter(np.float32(value), np.float32(0)), np.finfo(np.float32).tiny))


def from_above(counts: np.ndarray, rank: int) -> int:
    """Return the bin that holds the value of this rank, counted from the largest value down."""
    above = np.cumsum(counts[::-1])
    return len(counts) - 1 - int(np.searchsorted(above, rank, side="right"))
