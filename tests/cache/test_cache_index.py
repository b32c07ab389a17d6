"""The cache as a whole: gaps and mixtures are refused, statistics come in the order of the images."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch

from pipeline.cache.index import CacheIndex
from pipeline.cache.schema import CacheError

IDS = ["e", "d", "c", "b", "a"]


@pytest.fixture
def cache(tmp_path: Path, write_cache: Callable[..., Path]) -> Path:
    logits_NChw = torch.randn((5, 3, 2, 4), generator=torch.Generator().manual_seed(0))
    return write_cache(tmp_path / "cache", logits_NChw, (4, 8), IDS)


def test_images_keep_the_order_in_which_they_were_dumped(cache: Path) -> None:
    index = CacheIndex(cache)
    assert (len(index), index.image_ids) == (5, IDS)
    assert [index.number(image_id) for image_id in IDS] == [0, 1, 2, 3, 4]


def test_statistics_of_all_parts_stand_one_after_the_other(cache: Path) -> None:
    count_NC = CacheIndex(cache).statistic("pixel_count")
    assert count_NC.shape == (5, 3)
    np.testing.assert_array_equal(count_NC.sum(axis=1), [32] * 5)
    with h5py.File(cache / "part-00001.h5") as file:
        np.testing.assert_array_equal(count_NC[2:4], file["statistics/pixel_count"][:])


def test_an_unknown_image_is_named(cache: Path) -> None:
    with pytest.raises(CacheError, match="has no image 'z'"):
        CacheIndex(cache).number("z")


def test_an_empty_folder_is_no_cache(tmp_path: Path) -> None:
    with pytest.raises(CacheError, match="holds no parts"):
        CacheIndex(tmp_path)


@pytest.mark.parametrize("number", [0, 1, 2])
def test_a_gap_is_named(cache: Path, number: int) -> None:
    (cache / f"part-{number:05}.h5").unlink()
    with pytest.raises(CacheError, match=rf"part-{number:05}\.h5 is missing; run the dump again"):
        CacheIndex(cache)


def test_parts_of_two_models_do_not_mix_and_both_are_named(cache: Path) -> None:
    with h5py.File(cache / "part-00001.h5", "r+") as file:
        file.attrs["fingerprint"], file.attrs["origin"] = "another", "runs/b/model.pt"
    with pytest.raises(
        CacheError, match=r"part-00001\.h5: belongs to cache another \(runs/b/model.pt\), part-00000\.h5 to a-fing"
    ):
        CacheIndex(cache)


def test_a_truncated_part_is_named(cache: Path) -> None:
    path = cache / "part-00002.h5"
    path.write_bytes(path.read_bytes()[:9000])
    with pytest.raises(CacheError, match=r"part-00002\.h5: cannot be read"):
        CacheIndex(cache)


def test_a_part_of_another_schema_version_is_named(cache: Path) -> None:
    with h5py.File(cache / "part-00001.h5", "r+") as file:
        file.attrs["roundabout_cache_version"] = 99
    with pytest.raises(CacheError, match=r"part-00001\.h5: cache schema version 99"):
        CacheIndex(cache)


def test_histograms_of_all_parts_are_added_up(cache: Path) -> None:
    index = CacheIndex(cache)
    for name in ("confidence", "entropy"):
        np.testing.assert_array_equal(index.histogram(name).sum(axis=1), index.statistic("pixel_count").sum(axis=0))


def test_a_part_without_one_of_its_images_is_named(cache: Path) -> None:
    with h5py.File(cache / "part-00001.h5", "r+") as file:
        ids = file["image_ids"][:1]
        del file["image_ids"]
        file["image_ids"] = ids
    with pytest.raises(CacheError, match=r"part-00001\.h5: holds 1 images, 2 belong there"):
        CacheIndex(cache)


def test_a_statistic_that_is_not_there_is_named(cache: Path) -> None:
    with pytest.raises(CacheError, match=r"part-00000\.h5: has no statistics/median"):
        CacheIndex(cache).statistic("median")
