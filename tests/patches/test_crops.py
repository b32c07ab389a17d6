"""Crops with pseudo-labels: whole images, random windows, windows around rare classes.

# C class, H/W pixels
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch

from pipeline.cache.reader import CacheReader
from pipeline.common.box import Box
from pipeline.common.labels import IGNORE
from pipeline.methods.pseudo_labels import pseudo_label
from pipeline.methods.selection_file import Selection
from pipeline.patches.crops import centred_on_a_class, make_crops, rare_classes

SIZE = (16, 32)
IDS = ["a", "b", "c", "d"]


@pytest.fixture
def reader(tmp_path: Path, write_cache: Callable[..., Path]) -> CacheReader:
    logits_NChw = 2 * torch.randn((4, 3, 4, 8), generator=torch.Generator().manual_seed(0))
    logits_NChw[:, 2] -= 4  # rare
    logits_NChw[2, 2, 1, 6] += 20  # but here
    return CacheReader(write_cache(tmp_path / "cache", logits_NChw, SIZE, IDS))


def target_image(image_id: str) -> np.ndarray:
    return np.random.default_rng(ord(image_id)).integers(0, 256, (*SIZE, 3)).astype(np.uint8)


def selection_of(threshold: float) -> Selection:
    return Selection("cada", "paper", ["x", "y", "z"], IDS, np.full(3, threshold))


def cut(reader: CacheReader, path: Path, threshold: float = 0.7, **options) -> int:
    settings = {"crops": 1, "fraction": (1.0, 1.0), "mined": [], "mine_chance": 0.8, "seed": 1, "round_name": "c-1"}
    return make_crops(reader, selection_of(threshold), target_image, path, **(settings | options))


def test_whole_images_come_with_their_pseudo_labels(reader: CacheReader, tmp_path: Path) -> None:
    assert cut(reader, tmp_path / "p.h5") == 4
    with h5py.File(tmp_path / "p.h5") as file:
        for place, image_id in enumerate(IDS):
            np.testing.assert_array_equal(file["images"][place], target_image(image_id))
            expected_HW = pseudo_label(reader, selection_of(0.7), image_id)
            np.testing.assert_array_equal(file["labels"][place], expected_HW)
            assert IGNORE in expected_HW
            assert (expected_HW != IGNORE).any()


def test_an_image_without_any_pseudo_label_is_left_out(reader: CacheReader, tmp_path: Path) -> None:
    assert cut(reader, tmp_path / "p.h5", threshold=0.0) == 0


def test_crops_are_windows_of_image_and_label_and_depend_on_the_seed(reader: CacheReader, tmp_path: Path) -> None:
    boxes = []
    for seed in (1, 1, 2):
        assert cut(reader, tmp_path / "p.h5", crops=3, fraction=(0.5, 0.25), seed=seed) == 12
        with h5py.File(tmp_path / "p.h5") as file:
            boxes.append(file["boxes"][:].tolist())
            top, left, height, width = boxes[-1][5]
            assert (height, width) == (8, 8)
            window_hw3 = target_image("b")[top : top + height, left : left + width]
            np.testing.assert_array_equal(file["images"][5], window_hw3)
            np.testing.assert_array_equal(
                file["labels"][5],
                pseudo_label(reader, selection_of(0.7), "b")[top : top + height, left : left + width],
            )
    assert boxes[0] == boxes[1] != boxes[2]


def test_rare_classes_are_those_with_a_small_share_of_the_pixels(reader: CacheReader) -> None:
    share_C = reader.index.statistic("pixel_count").sum(axis=0) / (4 * 16 * 32)
    assert 0 < share_C[2] < 0.1
    assert rare_classes(reader.index, 0.1) == [2]
    assert rare_classes(reader.index, float(share_C[2])) == []  # strictly below


def test_mined_crops_hold_the_rare_class(reader: CacheReader, tmp_path: Path) -> None:
    def hits(chance: float) -> int:
        cut(reader, tmp_path / "p.h5", threshold=2.0, crops=40, fraction=(0.25, 0.25), mined=[2], mine_chance=chance)
        with h5py.File(tmp_path / "p.h5") as file:
            of_image = [place for place, value in enumerate(file["image_ids"].asstr()[:]) if value == "c"]
            return sum(bool((file["labels"][place] == 2).any()) for place in of_image)

    assert hits(1.0) == 40
    assert hits(0.0) < 20


def test_a_window_at_the_border_stays_inside() -> None:
    label_HW = np.zeros(SIZE, np.uint8)
    label_HW[0, 31] = 2
    box = centred_on_a_class(Box(4, 4, 8, 8), label_HW, [1, 2], np.random.default_rng(0))
    assert box == Box(0, 24, 8, 8)


def test_without_the_class_the_window_stays_where_it_is() -> None:
    box = Box(4, 4, 8, 8)
    assert centred_on_a_class(box, np.zeros(SIZE, np.uint8), [1, 2], np.random.default_rng(0)) == box
