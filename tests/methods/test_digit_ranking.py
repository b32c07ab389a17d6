"""IntraDA's ranking of digits: networks that answer once for an image, ranked by that answer's entropy.

# N images, C class
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from pipeline.cache.index import CacheIndex
from pipeline.cache.reader import CacheReader
from pipeline.methods.intrada import select_intrada
from pipeline.methods.pseudo_labels import pseudo_label

# Probabilities of five images over ten classes, and their entropies by hand.
CERTAIN = [0.91] + [0.01] * 9
HALVES = [0.5, 0.5] + [0.0] * 8
EVEN = [0.1] * 10
THREE_QUARTERS = [0.0, 0.75, 0.25] + [0.0] * 7
ONE = [0.0] * 9 + [1.0]
ENTROPY = [
    -0.91 * math.log(0.91) - 0.09 * math.log(0.01),  # 0.5003
    math.log(2),  # 0.6931
    math.log(10),  # 2.3026
    0.75 * math.log(4 / 3) + 0.25 * math.log(4),  # 0.5623
    0.0,
]


def write(folder: Path, write_cache: Callable[..., Path]) -> Path:
    prob_NC = torch.tensor([CERTAIN, HALVES, EVEN, THREE_QUARTERS, ONE])
    logits_NC11 = prob_NC.clamp(min=1e-30).log()[:, :, None, None]
    return write_cache(folder, logits_NC11, (28, 28), [f"{place:06}" for place in range(5)])


@pytest.mark.parametrize(("compat", "unit"), [("paper", 1.0), ("author", 10 * math.log(10))])
def test_digits_are_ranked_by_the_entropy_of_their_one_answer(
    tmp_path: Path, write_cache: Callable[..., Path], compat: str, unit: float
) -> None:
    selection, details = select_intrada(CacheIndex(write(tmp_path, write_cache)), 0.8, compat)
    assert selection.images == ["000004", "000000", "000003", "000001"]  # λ = 0.8 of five: four
    assert selection.hard == ("000002",)
    scores = details["scores"]
    assert isinstance(scores, dict)
    np.testing.assert_allclose(list(scores.values()), np.array(ENTROPY) / unit, atol=2e-6)


def test_all_pixels_of_a_digit_have_its_pseudo_label(tmp_path: Path, write_cache: Callable[..., Path]) -> None:
    reader = CacheReader(write(tmp_path, write_cache))
    selection, _ = select_intrada(CacheIndex(tmp_path), 0.8, "paper")
    digits = [np.unique(pseudo_label(reader, selection, image_id)).tolist() for image_id in selection.images]
    assert digits == [[9], [0], [1], [0]]


def test_digits_have_no_rare_classes_so_that_normalising_changes_no_order(
    tmp_path: Path, write_cache: Callable[..., Path]
) -> None:
    write(tmp_path, write_cache)
    for compat in ("paper", "author"):
        plain, normalised = (
            select_intrada(CacheIndex(tmp_path), 0.8, compat, normalise)[0] for normalise in (False, True)
        )
        assert (plain.images, plain.hard) == (normalised.images, normalised.hard)
