"""CBST's thresholds and labels against lists, sorting and loops.

# N images, C class, H/W pixels
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import h5py
import numpy as np
import pytest

from pipeline.cache.reader import CacheReader
from pipeline.cache.volumes import import_volumes, open_volumes
from pipeline.common.labels import IGNORE
from pipeline.methods.cbst import select_cbst
from pipeline.methods.cbst_thresholds import exact_thresholds, pseudo_label, thresholds_from_histogram
from pipeline.methods.pseudo_labels import write_labels
from pipeline.methods.quantiles import from_above, just_below, lies_below, selected_ranks
from pipeline.methods.selection_file import Compat, mean_confidences

NAMES = ("road", "sky", "car", "bus", "train")


def volumes(sharpness: float) -> np.ndarray:
    scores = np.exp(sharpness * np.random.default_rng(0).standard_normal((7, 5, 12, 20)))
    scores[:, 4] = 0  # predicted nowhere
    return (scores / scores.sum(axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture(name="prob_NCHW", params=[1.0, 3.0, 12.0], ids=["unsure", "mixed", "sure"])
def volumes_of_any_sharpness(request: pytest.FixtureRequest) -> np.ndarray:
    return volumes(request.param)


def cache_of(folder: Path, prob_NCHW: np.ndarray, profile: str) -> CacheReader:
    np.save(folder / "v.npy", prob_NCHW)
    import_volumes(open_volumes(folder / "v.npy"), folder / profile, NAMES, profile=profile, part_images=3)
    return CacheReader(folder / profile)


def sorted_confidences(prob_NCHW: np.ndarray, stride: int) -> list[np.ndarray]:
    """As the reference collects them: image by image, every so many pixels of the class, in falling order."""
    lists: list[list[float]] = [[] for _ in NAMES]
    for prob_CHW in prob_NCHW:
        label_HW, confidence_HW = prob_CHW.argmax(axis=0), prob_CHW.max(axis=0)
        for class_index, collected in enumerate(lists):
            collected.extend(confidence_HW[label_HW == class_index][::stride])
    return [np.array(sorted(collected, reverse=True)) for collected in lists]


@pytest.mark.parametrize("portion", [0.01, 0.2, 0.5, 0.9, 1.0])
def test_thresholds_of_the_paper_select_that_portion_of_each_class(
    tmp_path: Path, prob_NCHW: np.ndarray, portion: float
) -> None:
    found_C = exact_thresholds(cache_of(tmp_path, prob_NCHW, "float32"), portion, "paper")
    for class_index, values in enumerate(sorted_confidences(prob_NCHW, 1)):
        count = int(len(values) * portion)
        if not len(values):
            assert found_C[class_index] == 1
        elif count == len(values):
            assert found_C[class_index] == np.nextafter(values[-1], np.float32(0))
        elif count and values[count] == values[0]:
            assert found_C[class_index] == np.nextafter(values[0], np.float32(0))
        else:
            assert found_C[class_index] == values[count]


@pytest.mark.parametrize("portion", [0.01, 0.2, 0.5, 1.0])
def test_thresholds_of_the_released_code_take_every_fourth_pixel(
    tmp_path: Path, prob_NCHW: np.ndarray, portion: float
) -> None:
    found_C = exact_thresholds(cache_of(tmp_path, prob_NCHW, "float32"), portion, "author")
    for class_index, values in enumerate(sorted_confidences(prob_NCHW, 4)):
        count = int(len(values) * portion)
        assert found_C[class_index] == (values[count - 1] if count else 1)


@pytest.mark.parametrize("portion", [0.05, 0.2, 0.5, 0.8])
def test_the_histogram_s_thresholds_are_close_and_exact_where_networks_are_sure(
    tmp_path: Path, prob_NCHW: np.ndarray, portion: float
) -> None:
    reader = cache_of(tmp_path, prob_NCHW, "float32")
    near_C = thresholds_from_histogram(reader.index, portion, "paper")
    exact_C = exact_thresholds(reader, portion, "paper")
    assert (near_C <= exact_C).all()
    assert (exact_C - near_C < 2e-5).all()
    sure = exact_C >= 0.9981
    np.testing.assert_array_equal(near_C[sure], exact_C[sure])


@pytest.mark.parametrize("compat", ["paper", "author"])
def test_thresholds_of_one_byte_volumes_are_close(tmp_path: Path, prob_NCHW: np.ndarray, compat: Compat) -> None:
    exact_C = exact_thresholds(cache_of(tmp_path, prob_NCHW, "float32"), 0.3, compat)
    found_C = exact_thresholds(cache_of(tmp_path, prob_NCHW, "probabilities"), 0.3, compat)
    np.testing.assert_allclose(found_C, exact_C, atol=5e-5)


def test_the_portion_that_is_trusted_is_the_portion_asked_for(tmp_path: Path) -> None:
    prob_NCHW = volumes(1.0)
    reader = cache_of(tmp_path, prob_NCHW, "float32")
    threshold_C = exact_thresholds(reader, 0.25, "paper")
    label_NHW, confidence_NHW = prob_NCHW.argmax(axis=1), prob_NCHW.max(axis=1)
    for class_index in range(4):
        of_class = label_NHW == class_index
        assert (of_class & (confidence_NHW > threshold_C[class_index])).sum() == int(of_class.sum() * 0.25)


def naive_label(prob_CHW: np.ndarray, threshold_C: np.ndarray, compat: Compat) -> np.ndarray:
    label_HW = np.full(prob_CHW.shape[1:], IGNORE, np.uint8)
    for row, column in np.ndindex(*label_HW.shape):
        weights = [np.float32(p) / np.float32(t) for p, t in zip(prob_CHW[:, row, column], threshold_C, strict=True)]
        best = int(np.argmax(weights))
        if weights[best] > 1 or (compat == "author" and weights[best] == 1):
            label_HW[row, column] = best
    return label_HW


@pytest.mark.parametrize("compat", ["paper", "author"])
def test_labels_are_those_of_a_loop_over_pixels(compat: Compat) -> None:
    prob_CHW = volumes(2.0)[0]
    threshold_C = np.array([0.9, 0.5, float(prob_CHW[2].max()), 0.3, 1.0])  # the third: one pixel exactly at it
    expected_HW = naive_label(prob_CHW, threshold_C, compat)
    np.testing.assert_array_equal(pseudo_label(prob_CHW, threshold_C, compat), expected_HW)
    assert IGNORE in expected_HW
    assert (expected_HW == 2).any() == (compat == "author")


def test_a_class_may_win_a_pixel_that_another_is_likelier_to_have() -> None:
    prob_CHW = np.array([0.6, 0.4], np.float32).reshape(2, 1, 1)
    assert pseudo_label(prob_CHW, np.array([0.9, 0.3]), "paper").item() == 1


@pytest.mark.parametrize("percent", [20, 50])
def test_the_released_code_s_thresholds_and_labels(
    golden: Mapping[str, np.ndarray], golden_npz: Path, tmp_path: Path, percent: int
) -> None:
    import_volumes(open_volumes(golden_npz), tmp_path, tuple(f"class {number}" for number in range(19)))
    reader = CacheReader(tmp_path)
    threshold_C = exact_thresholds(reader, percent / 100, "author")
    np.testing.assert_array_equal(threshold_C, golden[f"cbst_p{percent}_stride4_thresholds"])
    for number, expected_HW in enumerate(golden[f"cbst_p{percent}_stride4_labels"]):
        prob_CHW = reader.probability(number).numpy()
        np.testing.assert_array_equal(pseudo_label(prob_CHW, threshold_C, "author"), expected_HW)


def test_a_threshold_far_below_the_usual_confidences_is_exact_too(tmp_path: Path) -> None:
    """150 classes: bins near 1/150 hold more float32 values than those of the usual confidences."""
    prob_CP = np.full((150, 64 * 64), 1 / 150, np.float32)
    prob_CP[7] += np.linspace(0, 1.5e-5, 64 * 64, dtype=np.float32)
    np.save(tmp_path / "v.npy", prob_CP.reshape(1, 150, 64, 64))
    names = tuple(f"class {number}" for number in range(150))
    import_volumes(open_volumes(tmp_path / "v.npy"), tmp_path / "cache", names)
    of_class = np.sort(prob_CP[7][prob_CP.argmax(axis=0) == 7])[::-1]
    for portion in (0.3, 0.5):
        found_C = exact_thresholds(CacheReader(tmp_path / "cache"), portion, "paper")
        assert found_C[7] == of_class[int(len(of_class) * portion)]


@pytest.mark.parametrize("portion", [0.2, 0.5])
def test_one_threshold_for_all_classes_is_that_of_all_pixels(
    tmp_path: Path, prob_NCHW: np.ndarray, portion: float
) -> None:
    found_C = exact_thresholds(cache_of(tmp_path, prob_NCHW, "float32"), portion, "paper", per_class=False)
    values = np.sort(prob_NCHW.max(axis=1), axis=None)[::-1]
    np.testing.assert_array_equal(found_C, np.full(5, values[int(len(values) * portion)]))


@pytest.mark.parametrize("profile", ["float32", "probabilities"])
def test_pixels_that_are_all_certain_are_kept_not_lost(tmp_path: Path, profile: str) -> None:
    prob_NCHW = np.zeros((2, 5, 8, 8), np.float32)
    prob_NCHW[:, 0, :4], prob_NCHW[:, 1, 4:] = 1.0, 1.0
    threshold_C = exact_thresholds(cache_of(tmp_path, prob_NCHW, profile), 0.2, "paper")
    assert (pseudo_label(prob_NCHW[0], threshold_C, "paper") == prob_NCHW[0].argmax(axis=0)).all()


@pytest.mark.parametrize("profile", ["float32", "probabilities"])
def test_a_class_whose_pixels_all_tie_is_kept_however_unsure_it_is(tmp_path: Path, profile: str) -> None:
    prob_NCHW = np.zeros((3, 5, 8, 8), np.float32)  # each image has one answer, as those of a classifier
    for image, (label, confidence) in enumerate([(0, 0.9), (0, 0.9), (1, 0.6)]):
        prob_NCHW[image] = (1 - confidence) / 4
        prob_NCHW[image, label] = confidence
    reader = cache_of(tmp_path, prob_NCHW, profile)
    threshold_C = exact_thresholds(reader, 0.2, "paper")
    for number in range(3):
        assert (pseudo_label(reader.probability(number).numpy(), threshold_C, "paper") == (0, 0, 1)[number]).all()


@pytest.mark.parametrize("profile", ["float32", "probabilities"])
@pytest.mark.parametrize("per_class", [True, False])
def test_a_portion_of_1_keeps_every_pixel(tmp_path: Path, prob_NCHW: np.ndarray, profile: str, per_class: bool) -> None:
    reader = cache_of(tmp_path, prob_NCHW, profile)
    threshold_C = exact_thresholds(reader, 1.0, "paper", per_class)
    label_NHW = np.stack(
        [pseudo_label(reader.probability(number).numpy(), threshold_C, "paper") for number in range(len(reader))]
    )
    assert IGNORE not in label_NHW
    if not per_class:  # no class is weighed against another: the plain arg-max
        assert (label_NHW == np.stack([reader.label(number) for number in range(len(reader))])).mean() > 0.999
    assert (np.bincount(label_NHW.ravel(), minlength=5)[:4] > label_NHW.size / 20).all()


def test_the_released_code_s_product_is_cut_as_floating_point_leaves_it() -> None:
    total_C = np.array([180])  # 180 * 0.35 is 62.99999999999999
    assert selected_ranks(total_C, 0.35, "author").rank_C == [61]
    assert selected_ranks(total_C, 0.35, "paper").rank_C == [63]


def test_ranks_and_values_by_hand() -> None:
    total_C = np.array([0, 4, 10])
    paper, author = (selected_ranks(total_C, 0.5, compat) for compat in ("paper", "author"))
    assert (paper.rank_C.tolist(), paper.below_all_C.tolist()) == ([-1, 2, 5], [False, False, False])
    assert (author.rank_C.tolist(), author.below_all_C.tolist()) == ([-1, 1, 4], [False, False, False])
    everything = selected_ranks(total_C, 1.0, "paper")
    assert (everything.rank_C.tolist(), everything.below_all_C.tolist()) == ([-1, 3, 9], [False, True, True])
    assert [from_above(np.array([3, 0, 2, 1]), rank) for rank in range(6)] == [3, 2, 2, 0, 0, 0]
    # a tie of the largest that fills the portion is kept whole; the largest itself, rank 0, is no tie; nor in the code
    ranks = selected_ranks(np.array([10, 10, 1]), 0.5, "paper")
    assert lies_below(ranks, np.array([0, 1, 0]), "paper").tolist() == [True, False, False]
    assert lies_below(ranks, np.array([0, 1, 0]), "author").tolist() == [False, False, False]
    assert just_below(0.5) == np.nextafter(np.float32(0.5), np.float32(0)) < 0.5
    assert just_below(0.0) == np.finfo(np.float32).tiny  # a threshold divides


@pytest.mark.parametrize("per_class", [True, False])
def test_a_selection_says_how_it_came_about(tmp_path: Path, per_class: bool) -> None:
    reader = cache_of(tmp_path, volumes(3.0), "float32")
    selection, details = select_cbst(reader, 0.5, "author", per_class)
    assert (selection.method, selection.compat) == ("cbst", "author")
    assert selection.class_names == list(NAMES)
    assert (selection.images, selection.prior) == (reader.image_ids, None)
    np.testing.assert_array_equal(selection.threshold_C, exact_thresholds(reader, 0.5, "author", per_class))
    counts = np.bincount(volumes(3.0).argmax(axis=1).ravel(), minlength=5).tolist()
    assert details == {
        "cache": reader.spec.fingerprint,
        "portion": 0.5,
        "thresholds_are": "per-class" if per_class else "global",
        "pixels_per_class": dict(zip(NAMES, counts, strict=True)),
        "scores": mean_confidences(reader.index),
    }


@pytest.mark.parametrize("compat", ["paper", "author"])
def test_labels_go_to_other_programs_as_one_file(tmp_path: Path, compat: Compat) -> None:
    reader = cache_of(tmp_path, volumes(3.0), "float32")
    selection, _ = select_cbst(reader, 0.5, compat)
    selection = selection._replace(images=["00004", "00001"])
    write_labels(reader, selection, tmp_path / "labels.h5")
    with h5py.File(tmp_path / "labels.h5") as file:
        assert (file.attrs["method"], file.attrs["compat"]) == ("cbst", compat)
        assert list(file.attrs["class_names"]) == list(NAMES)
        assert file["image_ids"].asstr()[:].tolist() == ["00004", "00001"]
        labels = file["labels"]
        assert labels.attrs["about"] == "pseudo-labels of the selected images (N,H,W), 255 = ignored"
        assert (labels.dtype, labels.chunks) == (np.uint8, (1, 12, 20))
        assert (labels.compression, labels.compression_opts) == ("gzip", 1)
        for number, image_id in enumerate(selection.images):
            prob_CHW = reader.probability(int(image_id)).numpy()
            expected_HW = pseudo_label(prob_CHW, selection.threshold_C, compat)
            np.testing.assert_array_equal(labels[number], expected_HW)
