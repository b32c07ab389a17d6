"""IntraDA's easy and hard images."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from pipeline.cache.index import CacheIndex
from pipeline.cache.volumes import import_volumes, open_volumes
from pipeline.common.labels import class_set
from pipeline.methods.intrada import RARE_CLASSES, rare_classes_predicted, select_intrada, split
from pipeline.methods.registry import METHODS

ENTROPY = np.array([0.5, 0.1, 0.9, 0.3])


def test_the_images_with_the_smallest_entropy_are_easy() -> None:
    answer = split(ENTROPY, None, 19, 0.5, "paper")
    assert (answer.easy, answer.hard) == ([1, 3], [0, 2])
    np.testing.assert_array_equal(answer.score_N, ENTROPY)


@pytest.mark.parametrize(("easy", "count"), [(0.0, 0), (0.24, 0), (0.25, 1), (0.67, 2), (1.0, 4)])
def test_the_share_is_rounded_down_and_may_be_nothing_or_all(easy: float, count: int) -> None:
    answer = split(ENTROPY, None, 19, easy, "paper")
    assert (len(answer.easy), len(answer.hard)) == (count, 4 - count)


def test_a_share_that_floating_point_cannot_hold_is_not_rounded_down() -> None:
    assert len(split(np.arange(100.0), None, 19, 0.29, "paper").easy) == 29  # 100 * 0.29 is 28.999999999999996
    assert len(split(np.arange(100.0), None, 19, 0.29, "author").easy) == 28


def test_ties_keep_the_order_of_the_images() -> None:
    assert split(np.zeros(5), None, 19, 0.4, "paper").easy == [0, 1]
    many = np.tile([0.5, 0.25], 20)  # an unstable sort mixes them
    assert split(many, None, 19, 0.25, "paper").easy == list(range(1, 21, 2))


def test_an_image_of_many_rare_classes_is_not_hard_for_it() -> None:
    rare_N = np.array([5, 0, 1, 3])
    answer = split(ENTROPY, rare_N, 19, 0.5, "paper")  # 0.1, 0.1, 0.9, 0.1: divided, and 0 divides by 1
    np.testing.assert_allclose(answer.score_N, [0.1, 0.1, 0.9, 0.1])
    author = split(ENTROPY, rare_N, 19, 0.5, "author")
    factor = np.array([6 / 11 + 0.5, 1.5, 10 / 11 + 0.5, 8 / 11 + 0.5])
    np.testing.assert_allclose(author.score_N, ENTROPY / (math.log(19) * 19) * factor)


def test_one_pixel_of_a_rare_class_counts_and_classes_go_by_name() -> None:
    names = class_set("synthia-16").names
    count_NC = np.zeros((2, 16), int)
    count_NC[0, names.index("bus")] = 1
    count_NC[0, names.index("wall")] = 900
    count_NC[:, names.index("road")] = 5
    assert rare_classes_predicted(count_NC, names).tolist() == [2, 0]
    ids = [class_set("cityscapes-19").index(name) for name in RARE_CLASSES]
    assert sorted(ids) == [3, 4, 5, 6, 7, 9, 12, 14, 15, 16, 17]  # as the released code lists them


@pytest.mark.parametrize(("normalise", "key"), [(False, "intrada"), (True, "intrada_normalised")])
def test_the_released_code_s_scores_and_splits(
    golden: Mapping[str, np.ndarray], golden_npz: Path, tmp_path: Path, normalise: bool, key: str
) -> None:
    import_volumes(open_volumes(golden_npz), tmp_path, class_set("cityscapes-19").names)
    selection, details = select_intrada(CacheIndex(tmp_path), 0.67, "author", normalise)
    assert (selection.method, selection.compat) == ("intrada", "author")
    assert selection.class_names == list(class_set("cityscapes-19").names)
    assert np.isnan(selection.threshold_C).tolist() == [True] * 19
    assert (details["portion"], details["normalise"]) == (0.67, normalise)
    assert details["cache"] == CacheIndex(tmp_path).spec.fingerprint
    assert details["hard"] == list(selection.hard)
    assert selection.images == details["easy"] == [f"{number:05}" for number in golden[f"{key}_easy"]]
    assert list(selection.hard) == [f"{number:05}" for number in golden[f"{key}_hard"]]
    scores = details["scores"]
    assert isinstance(scores, dict)
    expected = golden["intrada_score_normalised" if normalise else "intrada_score"]
    np.testing.assert_allclose(list(scores.values()), expected, rtol=1e-5)


def test_rare_classes_cannot_be_counted_where_no_class_has_the_name_of_one() -> None:
    (option,) = METHODS["intrada"].options
    assert option.name == "normalise"
    assert option.problem(("road", "bus")) is None
    assert option.problem(("road", "sky")) == (
        "counts Cityscapes' rare classes (wall, fence, pole, traffic light, traffic sign, terrain, rider, bus, train, "
        "motorcycle, truck), and this cache has none of them: road, sky; `cache import --classes` names classes"
    )
