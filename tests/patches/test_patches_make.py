"""From a selection and a cache to patches: independent of each other, and the label is the filtered arg-max.

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
from pipeline.patches.cut import zoomed_pseudo_label
from pipeline.patches.make import make_patches

SIZE = (16, 32)
IDS = ["a", "b", "c", "d"]
Contents = dict[str, list[tuple[list[int], bytes, bytes]]]


@pytest.fixture
def reader(tmp_path: Path, write_cache: Callable[..., Path]) -> CacheReader:
    logits_NChw = 2 * torch.randn((4, 3, 4, 8), generator=torch.Generator().manual_seed(0))
    return CacheReader(write_cache(tmp_path / "cache", logits_NChw, SIZE, IDS))


def target_image(image_id: str) -> np.ndarray:
    return np.random.default_rng(ord(image_id)).integers(0, 256, (*SIZE, 3)).astype(np.uint8)


def selection_of(images: list[str]) -> Selection:
    return Selection("lse", "paper", ["x", "y", "z"], images, np.array([0.5, 0.4, 0.6]))


def patches_of(reader: CacheReader, images: list[str], path: Path, *, seed: int = 1, name: str = "lse-1") -> Contents:
    """By image: box, window and label of each of its patches, in order."""
    count = make_patches(
        reader, selection_of(images), target_image, path, patches=3, fraction=(0.5, 0.5), seed=seed, round_name=name
    )
    found: Contents = {}
    with h5py.File(path) as file:
        assert len(file["labels"]) == count == 3 * len(images)
        rows = zip(file["image_ids"].asstr()[:], file["boxes"][:], file["images"][:], file["labels"][:], strict=True)
        for image_id, box, window, label in rows:
            found.setdefault(image_id, []).append((box.tolist(), window.tobytes(), label.tobytes()))
    return found


def test_another_image_in_the_selection_does_not_move_the_patches(reader: CacheReader, tmp_path: Path) -> None:
    two = patches_of(reader, ["a", "c"], tmp_path / "two.h5")
    four = patches_of(reader, ["d", "c", "b", "a"], tmp_path / "four.h5")
    assert two["a"] == four["a"]
    assert two["c"] == four["c"]
    assert [box for box, *_ in two["a"]] != [box for box, *_ in two["c"]]


def test_the_seed_and_the_rounds_name_move_the_patches(reader: CacheReader, tmp_path: Path) -> None:
    made = patches_of(reader, ["a"], tmp_path / "a.h5")
    assert made == patches_of(reader, ["a"], tmp_path / "same.h5")
    assert made != patches_of(reader, ["a"], tmp_path / "b.h5", seed=2)
    assert made != patches_of(reader, ["a"], tmp_path / "c.h5", name="lse-2")


def test_a_patch_is_the_window_of_its_image_with_the_zoomed_label(reader: CacheReader, tmp_path: Path) -> None:
    found = patches_of(reader, ["b"], tmp_path / "patches.h5")["b"]
    keep_HW = torch.from_numpy(pseudo_label(reader, selection_of(["b"]), "b") != IGNORE)
    for numbers, window, label in found:
        box = Box(*numbers)
        image_HW3 = target_image("b")
        assert window == image_HW3[box.top : box.top + 8, box.left : box.left + 16].tobytes()
        assert label == zoomed_pseudo_label(reader.probability(1), keep_HW, box, "paper").tobytes()
    assert len({tuple(numbers) for numbers, _, _ in found}) == 3


def test_a_whole_images_pseudo_label_is_the_arg_max_where_the_entropy_is_low(reader: CacheReader) -> None:
    selection = selection_of(IDS)
    label_HW = pseudo_label(reader, selection, "c")
    prob_CHW = reader.probability(2).double().numpy()
    entropy_HW = -(prob_CHW * np.log(prob_CHW)).sum(axis=0) / np.log(3)
    sure_HW = entropy_HW <= selection.threshold_C[prob_CHW.argmax(axis=0)]
    np.testing.assert_array_equal(label_HW, np.where(sure_HW, prob_CHW.argmax(axis=0), IGNORE))
    assert 0 < sure_HW.mean() < 1


def test_an_empty_selection_makes_an_empty_file(reader: CacheReader, tmp_path: Path) -> None:
    count = make_patches(
        reader,
        selection_of([]),
        target_image,
        tmp_path / "p.h5",
        patches=3,
        fraction=(0.5, 0.5),
        seed=1,
        round_name="r",
    )
    assert count == 0
    assert (tmp_path / "p.h5").exists()
