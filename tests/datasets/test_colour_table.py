"""Colours of labels and their ids."""

import numpy as np
import pytest

from pipeline.datasets.colour_table import ColourTable
from pipeline.datasets.problems import DataError

TABLE = ColourTable([(0, 0, 0), (255, 0, 0), (128, 0, 0)], [0, 1, 1])


def test_colours_become_ids_and_two_may_share_one() -> None:
    colour_HW3 = np.array([[[0, 0, 0], [255, 0, 0]], [[128, 0, 0], [0, 0, 0]]], np.uint8)
    assert TABLE.ids(colour_HW3).tolist() == [[0, 1], [1, 0]]
    assert TABLE.ids(colour_HW3).dtype == np.uint8


def test_unknown_colours_are_counted_and_the_nearest_known_is_named() -> None:
    colour_HW3 = np.zeros((2, 4, 3), np.uint8)
    colour_HW3[0, :3] = (250, 5, 0)
    colour_HW3[1, 0] = (100, 0, 0)
    words = r"holds 4 pixels .*\(250, 5, 0\) \(3 pixels; nearest: \(255, 0, 0\)\), \(100, 0, 0\) \(1 pixels; nearest"
    with pytest.raises(DataError, match=words):
        TABLE.ids(colour_HW3)


def test_three_of_many_unknown_colours_are_shown() -> None:
    colour_HW3 = np.stack([np.arange(1, 11, dtype=np.uint8)] * 3, axis=-1)[None]
    with pytest.raises(DataError, match=r"\(3, 3, 3\) \(1 pixels; nearest: \(0, 0, 0\)\) and 7 more colours"):
        TABLE.ids(colour_HW3)
