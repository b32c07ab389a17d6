"""CBST-SP: priors counted from labels, thresholds and labels of probability times prior, against lists and sorting.

# N images, C class, H/W pixels
"""

from __future__ import annotations

from itertools import chain
from pathlib import Path

import h5py
import numpy as np
import pytest
from PIL import Image

from pipeline.cache.reader import CacheReader
from pipeline.cache.volumes import import_volumes, open_volumes
from pipeline.common.errors import ReadableError
from pipeline.common.labels import CITYSCAPES_19, IGNORE
from pipeline.datasets.spatial_prior import PICTURE, PRIOR, estimate, kernel_size, write_prior
from pipeline.methods.cbst import select_cbst
from pipeline.methods.cbst_spatial_prior import prior_at, prior_thresholds, read_prior
from pipeline.methods.pseudo_labels import pseudo_label
from pipeline.methods.selection_file import Compat, read_selection, write_selection

CLASSES = CITYSCAPES_19.subset("five", ("road", "sky", "car", "bus", "train"))
SIZE = (32, 64)


@pytest.fixture(name="reader")
def cache(tmp_path: Path) -> CacheReader:
    scores = np.exp(3 * np.random.default_rng(0).standard_normal((6, 5, *SIZE)))
    scores[:, 4] = 0  # predicted nowhere
    np.save(tmp_path / "v.npy", (scores / scores.sum(axis=1, keepdims=True)).astype(np.float32))
    import_volumes(
        open_volumes(tmp_path / "v.npy"), tmp_path / "cache", CLASSES.names, profile="float32", part_images=4
    )
    return CacheReader(tmp_path / "cache")


@pytest.fixture(name="prior")
def file_of_a_prior(tmp_path: Path) -> Path:
    label_HW = np.zeros(SIZE, np.uint8)  # road below, sky above, cars between; no bus, an ignored corner
    label_HW[:12] = 1
    label_HW[14:20, 20:40] = 2
    label_HW[:3, :3] = IGNORE
    label_HW[30, 60] = 4
    write_prior(tmp_path, estimate([label_HW, label_HW[:, ::-1]], len(CLASSES), SIZE), CLASSES)
    return tmp_path / PRIOR


def test_a_prior_is_a_share_of_the_class_and_lies_where_the_class_does(prior: Path) -> None:
    with h5py.File(prior) as file:
        prior_Chw = file["prior"][...]
    np.testing.assert_allclose(prior_Chw.sum(axis=(1, 2)), [1, 1, 1, 0, 1], rtol=1e-5)
    prior_CHW = read_prior(prior, CLASSES.names, SIZE)
    np.testing.assert_allclose(prior_CHW.mean(axis=(1, 2)), [1, 1, 1, 0, 1], rtol=0.02)
    assert (prior_CHW[0, 25:] > prior_CHW[1, 25:]).all()
    assert (prior_CHW[1, :5] > prior_CHW[0, :5]).all()
    assert not prior_CHW[3].any()
    with Image.open(prior.with_name(PICTURE)) as picture:
        assert picture.width > picture.height


def test_smoothing_is_a_gaussian_of_the_paper_s_share_of_the_height() -> None:
    assert kernel_size(1052) == 71
    assert kernel_size(512) == 35
    label_HW = np.full((526, 600), IGNORE, np.uint8)
    label_HW[263, 300] = 0
    q_HW = estimate([label_HW], 1, (526, 600))[0]
    deviation = kernel_size(526) / 4
    rows = np.arange(-17, 18)
    np.testing.assert_allclose(
        q_HW[263 - 17 : 263 + 18, 300] / q_HW[263, 300], np.exp(-0.5 * (rows / deviation) ** 2), rtol=1e-4
    )
    assert np.count_nonzero(q_HW) == kernel_size(526) ** 2
    assert q_HW.sum() == pytest.approx(1, rel=1e-4)


@pytest.mark.parametrize("compat", ["paper", "author"])
@pytest.mark.parametrize("per_class", [True, False])
@pytest.mark.parametrize("portion", [0.001, 0.2, 0.5, 1.0])
def test_thresholds_equal_sorted_lists(
    reader: CacheReader, prior: Path, portion: float, per_class: bool, compat: Compat
) -> None:
    prior_CHW = read_prior(prior, CLASSES.names, SIZE)
    found_C, pixels_C = prior_thresholds(reader, prior_CHW, portion, compat, per_class)
    lists: list[list[float]] = [[] for _ in CLASSES.names]
    everything = []
    for number in range(len(reader)):
        potential_CHW = reader.probability(number).numpy() * prior_CHW
        label_HW, largest_HW = potential_CHW.argmax(axis=0), potential_CHW.max(axis=0)
        for class_index, values in enumerate(lists):
            values.extend(largest_HW[label_HW == class_index][:: 4 if compat == "author" else 1])
        everything.append(label_HW)
    assert pixels_C.tolist() == np.bincount(np.concatenate(everything).ravel(), minlength=5).tolist()
    if not per_class:
        lists = [list(chain.from_iterable(lists))] * len(lists)
    nothing_C = prior_CHW.max(axis=(1, 2)) if per_class else np.full(5, prior_CHW.max())
    for class_index, values in enumerate(lists):
        falling, count = sorted(values, reverse=True), int(round(len(values) * portion, 9))
        if not values or (compat == "author" and count == 0):
            assert found_C[class_index] == pytest.approx(nothing_C[class_index])
        elif compat == "author":
            assert found_C[class_index] == falling[count - 1]
        elif count == len(values):
            assert found_C[class_index] == np.nextafter(np.float32(falling[-1]), np.float32(0))
        else:
            assert found_C[class_index] == falling[count]


def test_pseudo_labels_are_those_of_the_weighted_potential(reader: CacheReader, prior: Path, tmp_path: Path) -> None:
    selection, details = select_cbst(CacheReader(tmp_path / "cache"), 0.3, "paper", prior=prior)
    write_selection(tmp_path / "selection" / "selection.json", selection, details)
    prior_CHW = read_prior(prior, CLASSES.names, SIZE)
    prior.unlink()  # a selection is whole by itself
    again = read_selection(tmp_path / "selection" / "selection.json")
    kept = 0
    for number, image_id in enumerate(reader.image_ids):
        with np.errstate(divide="ignore", invalid="ignore"):
            weight_CHW = (
                reader.probability(number).numpy() * prior_CHW / selection.threshold_C.astype(np.float32)[:, None, None]
            )
        weight_CHW = np.nan_to_num(weight_CHW, nan=-1.0)
        expected_HW = np.where(weight_CHW.max(axis=0) > 1, weight_CHW.argmax(axis=0), IGNORE)
        np.testing.assert_array_equal(pseudo_label(reader, again, image_id), expected_HW)
        kept += (expected_HW != IGNORE).sum()
        assert not (expected_HW == 3).any(), "a class that the source does not have"
    assert kept / (len(reader) * SIZE[0] * SIZE[1]) == pytest.approx(0.3, abs=0.1)


def test_a_prior_without_place_changes_nothing(reader: CacheReader, tmp_path: Path) -> None:
    write_prior(tmp_path, np.full((5, *SIZE), 1 / (SIZE[0] * SIZE[1]), np.float32), CLASSES)
    plain, _ = select_cbst(CacheReader(tmp_path / "cache"), 0.3, "paper")
    flat, _ = select_cbst(CacheReader(tmp_path / "cache"), 0.3, "paper", prior=tmp_path / PRIOR)
    np.testing.assert_allclose(plain.threshold_C, flat.threshold_C, rtol=1e-5)


def test_a_prior_of_other_classes_or_none_is_refused(prior: Path, tmp_path: Path) -> None:
    with pytest.raises(ReadableError, match=r"is a prior of road, sky.*the cache has road, wall"):
        read_prior(prior, ["road", "wall"], SIZE)
    with pytest.raises(ReadableError, match=r"holds no spatial prior.*data.spatial_prior: true"):
        read_prior(tmp_path / "absent.h5", CLASSES.names, SIZE)


def test_a_prior_that_was_written_again_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "prior.h5"
    for value in (0.25, 0.75):
        with h5py.File(tmp_path / "new.h5", "w") as file:
            file.attrs["class_names"] = list(CLASSES.names)
            file["prior"] = np.full((5, 2, 4), value, np.float32)
        (tmp_path / "new.h5").replace(path)
        np.testing.assert_allclose(prior_at(path, CLASSES.names, SIZE), value * 8)
    assert prior_at(path, CLASSES.names, SIZE) is prior_at(path, CLASSES.names, SIZE)
    path.unlink()
    with pytest.raises(ReadableError, match="holds no spatial prior"):
        prior_at(path, CLASSES.names, SIZE)
