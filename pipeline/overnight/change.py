"""How much two rounds' predictions differ."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from pipeline.cache.index import CacheIndex, read_values
from pipeline.cache.parts import open_part
from pipeline.cache.schema import LABEL

_IMAGES = 200  # of a cache: enough for the share of pixels to be known to a few hundredths of a percent


def changed_pixels(before: Path, after: Path) -> float:
    """Percent of the pixels whose class differs between two caches of the same images (of at most 200 of them)."""
    first, second = CacheIndex(before), CacheIndex(after)
    numbers = range(0, len(first), max(1, len(first) // _IMAGES))
    changed = pixels = 0
    for number in numbers:
        one_HW = _label(first, number)
        other_HW = _label(second, second.number(first.image_ids[number]))
        changed += int(np.count_nonzero(one_HW != other_HW))
        pixels += one_HW.size
    return 100 * changed / pixels


def _label(index: CacheIndex, number: int) -> np.ndarray:
    part, row = index.places[number]
    with open_part(index.paths[part]) as file:
        return read_values(file, LABEL, (row,))
