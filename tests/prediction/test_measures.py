"""Confidence and entropy, computed by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from pipeline.prediction.measures import Measures, confidence, entropy

PROB_C12 = np.array([[[0.5, 1.0]], [[0.25, 0.0]], [[0.25, 0.0]]], np.float32)


def test_values_by_hand() -> None:
    assert confidence(PROB_C12).tolist() == [[0.5, 1.0]]
    expected = (0.5 * math.log(2) + 0.5 * math.log(4)) / math.log(3)
    np.testing.assert_allclose(entropy(PROB_C12), [[expected, 0]], rtol=1e-6)
    np.testing.assert_allclose(entropy(np.full((4, 1, 1), 0.25, np.float32)), 1, rtol=1e-6)


@pytest.mark.parametrize(("bits", "most", "dtype"), [(8, 255, np.uint8), (16, 65535, np.uint16)])
def test_grey_values(bits: int, most: int, dtype: type) -> None:
    grey_2 = Measures(("entropy",), bits).grey(np.array([0.0, 0.5, 1.0, 1.0000001], np.float32))
    assert grey_2.dtype == dtype
    assert grey_2.tolist() == [0, round(most / 2), most, most]


def test_classes_come_first() -> None:
    reduced = Measures(("confidence", "entropy")).reduce(PROB_C12)
    assert reduced.shape == (3, 1, 2)
    assert reduced[0].tolist() == [[0, 0]]
    assert reduced[1].tolist() == [[128, 255]]
