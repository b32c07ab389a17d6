"""LSE's class-based sorting and its filter, by hand (Subhani and Ali, ECCV 2020, Algorithm 1 and Eq. 3).

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
from pipeline.common.labels import IGNORE
from pipeline.methods.lse import ClassStatistics, keep_filter, select, select_lse
from pipeline.methods.pseudo_labels import pseudo_label
from pipeline.methods.selection_file import Compat, Selection, mean_confidences, read_selection, write_selection

LN2 = math.log(2)


def statistics_of(images: list[list[tuple[int, float, float, float, float]]]) -> ClassStatistics:
    """From one tuple per image and class: pixels, mean confidence, then mean, smallest and largest entropy in nats."""
    count, confidence, mean, smallest, largest = np.array(images, dtype=float).transpose(2, 0, 1)
    return ClassStatistics(count.astype(np.int64), confidence * count, mean * count, smallest, largest)


NONE = (0, 0.0, 0.0, 0.0, 0.0)


def of(confidence: float, entropy: float = 0.1 * LN2, pixels: int = 4) -> tuple[int, float, float, float, float]:
    """A class in an image, with entropies from 0 to 1 nat."""
    return pixels, confidence, entropy, 0.0, 1.0


# ----------------------------------------------------------------------------------------------------- sorting, paper


FOUR = statistics_of(
    [
        [of(0.6), of(0.95, 0.25 * LN2)],
        [of(0.9), of(0.5)],
        [of(0.7), NONE],
        [of(0.8, 0.5 * LN2), of(0.7)],
    ]
)


def test_the_paper_takes_each_classs_most_confident_images_and_its_border_is_the_last_of_them() -> None:
    answer = select(FOUR, ["a", "b", "c", "d"], portion=1.0)
    # class 0 in four images: 4 · 1/2 = 2, b (.9) and d (.8); class 1 in three: 1.5, so a (.95) alone
    assert answer.images == [1, 3, 0]
    assert answer.selected_per_class == [2, 1]
    assert answer.pivot == [3, 0]
    np.testing.assert_allclose(answer.threshold_C, [0.5, 0.25])  # mean entropy / ln 2 of d, of a


def test_a_smaller_portion_takes_fewer_but_one_of_every_class_that_is_there() -> None:
    answer = select(FOUR, ["a", "b", "c", "d"], portion=0.1)
    assert answer.images == [1, 0]
    assert answer.selected_per_class == [1, 1]
    assert answer.pivot == [1, 0]


def test_an_image_that_two_classes_chose_comes_once() -> None:
    both = statistics_of([[of(0.6), of(0.5)], [of(0.9), of(0.95)], [of(0.8), of(0.7)]])
    answer = select(both, ["a", "b", "c"], portion=1.0)
    assert answer.images == [1]
    assert answer.selected_per_class == [1, 1]


def test_confidence_is_a_mean_over_the_classs_pixels_and_not_a_sum() -> None:
    sums = statistics_of([[of(0.6, pixels=100), NONE], [of(0.9, pixels=2), NONE]])
    assert select(sums, ["a", "b"], portion=0.5).images == [1]


def test_a_class_that_is_predicted_nowhere_has_threshold_0_in_the_paper_and_nan_in_the_code() -> None:
    absent = statistics_of([[of(0.6), NONE], [of(0.9), NONE]])
    paper, author = (select(absent, ["a", "b"], 1.0, compat) for compat in ("paper", "author"))
    assert (paper.pivot[1], paper.selected_per_class[1], paper.threshold_C[1]) == (None, 0, 0.0)
    assert (author.pivot[1], author.selected_per_class[1]) == (None, 0)
    assert math.isnan(author.threshold_C[1])


def test_one_pixel_or_constant_entropy_gives_no_nan_in_the_paper_but_does_in_the_code() -> None:
    flat = statistics_of([[(1, 0.9, 0.3 * LN2, 0.3 * LN2, 0.3 * LN2), (5, 0.9, 0.4 * LN2, 0.4 * LN2, 0.4 * LN2)]])
    np.testing.assert_allclose(select(flat, ["a"], 1.0, "paper").threshold_C, [0.3, 0.4])
    with np.errstate(all="raise"):  # without a warning
        assert np.isnan(select(flat, ["a"], 1.0, "author").threshold_C).all()


def test_equal_confidence_keeps_the_order_of_the_cache_in_the_paper() -> None:
    equal = statistics_of([[of(0.8), NONE]] * 5)
    assert select(equal, ["e", "d", "c", "b", "a"], portion=0.8).images == [0, 1]
    many = statistics_of([[of(confidence), NONE] for confidence in (0.6, 0.8) * 20])  # an unstable sort mixes them
    assert select(many, [str(number) for number in range(40)], portion=0.5).images == list(range(1, 21, 2))


@pytest.mark.parametrize(
    ("images", "portion", "classes", "expected"),
    [
        (20, 0.35, 7, 1),
        pytest.param(180, 0.35, 9, 7),
    ],
)
def test_the_number_selected_does_not_suffer_from_rounding(
    images: int, portion: float, classes: int, expected: int
) -> None:
    many = statistics_of([[of(0.8)] * classes] * images)
    answer = select(many, [str(number) for number in range(images)], portion)
    assert answer.selected_per_class == [expected] * classes


# ------------------------------------------------------------------------------------------- sorting, as in the code


def test_the_codes_border_is_the_first_image_not_selected() -> None:
    falling = [[(4, 0.99 - 0.01 * place, 0.2 + 0.01 * place, 0.1, 0.6)] for place in range(38)]
    answer = select(statistics_of(falling), [f"{place:02}" for place in range(38)], 1.0, "author")
    assert answer.images == [0, 1]  # 38 · 1/19
    assert answer.pivot == [2]
    assert answer.threshold_C[0] == pytest.approx((0.22 - 0.1) / (0.6 - 0.1))


def test_the_code_divides_by_19_whatever_the_number_of_classes_and_may_select_nothing() -> None:
    answer = select(FOUR, ["a", "b", "c", "d"], 1.0, "author")
    assert answer.images == []
    assert answer.pivot == [1, 0]  # the most confident image of each class


def test_where_all_are_selected_the_codes_border_is_the_last() -> None:
    answer = select(statistics_of([[of(0.9)]] * 2), ["a", "b"], 19.0, "author")
    assert (answer.images, answer.pivot) == ([1, 0], [0])


def test_ties_go_to_the_id_that_sorts_last_in_the_code() -> None:
    equal = statistics_of([[of(0.8)]] * 40)
    ids = [f"{(7 * place) % 40:02}" for place in range(40)]
    answer = select(equal, ids, 1.0, "author")
    assert [ids[image] for image in answer.images] == ["39", "38"]


# ------------------------------------------------------------------------------------------------------------- filter


def test_the_papers_filter_keeps_what_is_equal_to_the_threshold() -> None:
    label_HW = np.array([[0, 0, 0, 1]])
    entropy_HW = np.array([[0.4, 0.5, 0.6, 0.3]]) * LN2
    kept_HW = keep_filter(label_HW, entropy_HW, np.array([0.5, 0.2]), "paper")
    assert kept_HW.tolist() == [[True, True, False, False]]


def test_a_pixel_whose_entropy_made_the_threshold_is_kept_also_in_float32() -> None:
    for value in np.random.default_rng(0).random(50):
        entropy = np.float32(value)
        alone = statistics_of([[(1, 0.9, float(entropy), float(entropy), float(entropy)), NONE]])
        threshold_C = select(alone, ["a"], 1.0).threshold_C
        assert keep_filter(np.array([[0]]), np.array([[entropy]]), threshold_C, "paper").tolist() == [[True]]


def test_the_codes_filter_normalises_within_each_class_and_drops_what_is_equal() -> None:
    label_HW = np.array([[0, 0, 0, 1, 1]])
    entropy_HW = np.array([[0.25, 0.5, 0.75, 2.0, 2.5]])  # normalised 0, .5, 1 and 0, 1
    kept_HW = keep_filter(label_HW, entropy_HW, np.array([0.5, 0.9]), "author")
    assert kept_HW.tolist() == [[True, False, False, True, False]]


def test_nan_on_either_side_keeps_the_pixel_in_the_code() -> None:
    label_HW = np.array([[0, 0, 1, 2, 2]])
    entropy_HW = np.array([[0.1, 0.5, 0.7, 0.4, 0.4]])
    with np.errstate(all="raise"):  # without a warning
        kept_HW = keep_filter(label_HW, entropy_HW, np.array([math.nan, 0.0, 0.0]), "author")
    assert kept_HW.tolist() == [[True, True, True, True, True]]  # NaN threshold; one pixel; constant entropy


# --------------------------------------------------------------------------------------------------------------- file


def test_a_selection_is_read_as_it_was_written_also_with_nan(tmp_path: Path) -> None:
    selection = Selection("lse", "author", ["road", "sky"], ["b", "a"], np.array([0.25, math.nan]))
    write_selection(tmp_path / "selection.json", selection, {"portion": 0.1})
    found = read_selection(tmp_path / "selection.json")
    assert found[:4] == selection[:4]
    np.testing.assert_array_equal(found.threshold_C, selection.threshold_C)
    assert "NaN" not in (tmp_path / "selection.json").read_text()


@pytest.mark.parametrize("compat", ["paper", "author"])
def test_a_selection_of_a_cache_says_how_it_came_about_and_labels_its_images(
    tmp_path: Path, write_cache: Callable[..., Path], compat: Compat
) -> None:
    logits_NChw = torch.randn((40, 3, 4, 6), generator=torch.Generator().manual_seed(2))
    logits_NChw[:, 2] = -20.0  # predicted nowhere
    ids = [f"{number:02}" for number in range(40)]
    index = CacheIndex(write_cache(tmp_path, logits_NChw, (8, 12), ids))
    statistics = ClassStatistics(*(index.statistic(name.removesuffix("_NC")) for name in ClassStatistics._fields))
    expected = select(statistics, ids, 0.8, compat)

    selection, details = select_lse(index, 0.8, compat)
    assert (selection.method, selection.compat) == ("lse", compat)
    assert selection.class_names == ["class 0", "class 1", "class 2"]
    assert selection.images == [ids[image] for image in expected.images]
    np.testing.assert_array_equal(selection.threshold_C, expected.threshold_C)
    first, second, none = expected.pivot
    assert first is not None and second is not None and none is None
    assert details.pop("scores") == mean_confidences(index)
    assert details == {
        "cache": "a-fingerprint",
        "portion": 0.8,
        "selected_per_class": dict(zip(selection.class_names, expected.selected_per_class, strict=True)),
        "threshold_from": {"class 0": ids[first], "class 1": ids[second], "class 2": None},
    }

    reader = CacheReader(tmp_path)
    for image_id in selection.images:
        pixels = reader.pixels(index.number(image_id), volume=False)
        label_HW, entropy_HW = pixels.label_HW.numpy(), pixels.entropy_HW.numpy()
        kept_HW = keep_filter(label_HW, entropy_HW, expected.threshold_C, compat)
        assert 0 < kept_HW.mean() < 1
        np.testing.assert_array_equal(
            pseudo_label(reader, selection, image_id), np.where(kept_HW, label_HW, IGNORE).astype(np.uint8)
        )
