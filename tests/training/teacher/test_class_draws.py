"""Rare class sampling: the released code's probabilities, images and crops; draws that depend on (seed, draw) alone.

# N images, C class
"""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.training.teacher.class_draws import (
    ClassAwareOrder,
    ClassDraw,
    class_probabilities,
    first_crop_with_class,
    images_with_class,
)
from tests.golden_values import teacher_code

GTA5_PIXELS = 1914 * 1052


@pytest.mark.parametrize("temperature", ["0.01", "0.1", "0.5"])
def test_probabilities_are_the_authors(temperature: str) -> None:
    golden = teacher_code()
    expected_C = golden[f"rcs_prob_T{temperature}"].numpy()
    found_C = class_probabilities(golden["rcs_counts"].numpy(), float(temperature))
    np.testing.assert_allclose(found_C, expected_C, rtol=3e-5)  # theirs is float32
    assert (found_C[expected_C == 0] == 0).all()
    assert (expected_C == 0).any()


def test_rarer_classes_have_greater_probabilities_in_the_authors_order() -> None:
    golden = teacher_code()
    found_C = class_probabilities(golden["rcs_counts"].numpy(), 0.5)
    assert (np.diff(found_C[golden["rcs_classes_ascending"].numpy()]) < 0).all()


def test_images_with_strictly_more_than_3000_pixels_are_the_authors() -> None:
    golden = teacher_code()
    count_NC, expected_NC = golden["rcs_counts"].numpy(), golden["rcs_image_holds_class"].numpy()
    share = 3000 / GTA5_PIXELS
    np.testing.assert_array_equal(images_with_class(count_NC, GTA5_PIXELS, share, strictly=True), expected_NC)
    at_least_NC = images_with_class(count_NC, GTA5_PIXELS, share)
    np.testing.assert_array_equal(at_least_NC, expected_NC | (count_NC == 3000))
    assert (count_NC == 3000).any()


def test_a_minimum_share_is_of_each_image_and_0_still_asks_for_a_pixel() -> None:
    count_NC = np.array([[30, 0], [30, 5]])
    assert images_with_class(count_NC, np.array([100, 1000]), 0.1).tolist() == [[True, False], [False, False]]
    assert images_with_class(count_NC, 100, 0.0).tolist() == [[True, False], [True, True]]


def test_crops_are_chosen_as_the_authors_do() -> None:
    golden = teacher_code()
    for count_K, kept in zip(golden["rcs_crop_counts"].tolist(), golden["rcs_crop_kept"].tolist(), strict=True):
        assert first_crop_with_class(lambda number, count_K=count_K: count_K[number], 1500, strictly=True) == kept


def test_a_crop_that_is_good_enough_ends_the_search_and_the_last_one_is_not_looked_at() -> None:
    shares, asked = [0.0, 0.2, 0.3, 0.0], []

    def share_at(number: int) -> float:
        asked.append(number)
        return shares[number]

    assert first_crop_with_class(share_at, 0.2) == 1
    assert first_crop_with_class(share_at, 0.2, strictly=True) == 2
    assert asked == [0, 1, 0, 1, 2]
    asked.clear()
    assert first_crop_with_class(share_at, 0.9, recrops=3) == 3
    assert asked == [0, 1, 2]


COUNTS_NC = np.array([[70, 30, 0], [90, 0, 10], [60, 40, 0], [99, 0, 1]])


ORDER = ClassAwareOrder(class_probabilities(COUNTS_NC, 0.5), images_with_class(COUNTS_NC, 100, 0.05))


def drawn(number: int, seed: int = 3) -> ClassDraw:
    return ORDER.drawn_by(np.random.default_rng([seed, number]))


def test_a_draw_is_a_function_of_the_generator_s_state() -> None:
    forwards = [drawn(number) for number in range(50)]
    backwards = [drawn(number) for number in reversed(range(50))]
    assert forwards == backwards[::-1]
    assert forwards != [drawn(number, seed=4) for number in range(50)]


def test_an_image_holds_enough_of_its_class_and_all_such_images_are_drawn() -> None:
    holds_NC = images_with_class(COUNTS_NC, 100, 0.05)
    draws = [drawn(number) for number in range(300)]
    assert {tuple(draw) for draw in draws} == {(c, n) for n, c in np.argwhere(holds_NC)}


def test_classes_are_drawn_as_often_as_their_probabilities_say() -> None:
    draws = [drawn(number).class_index for number in range(2000)]
    share_C = np.bincount(draws, minlength=3) / len(draws)
    np.testing.assert_allclose(share_C, ORDER.probability_C, atol=0.04)


def test_a_class_that_no_image_holds_enough_of_gives_its_probability_to_the_others() -> None:
    holds_NC = images_with_class(COUNTS_NC, 100, 0.2)
    probability_C = class_probabilities(COUNTS_NC, 0.5)
    found_C = ClassAwareOrder(probability_C, holds_NC).probability_C
    assert found_C[2] == 0
    np.testing.assert_allclose(found_C[:2], probability_C[:2] / probability_C[:2].sum())


def test_data_without_a_class_to_draw_are_refused() -> None:
    with pytest.raises(ValueError, match="no image has a labelled pixel"):
        class_probabilities(np.zeros((3, 2), int), 0.1)
    with pytest.raises(ValueError, match="choose a smaller minimum share"):
        ClassAwareOrder(class_probabilities(COUNTS_NC, 0.5), images_with_class(COUNTS_NC, 100, 1.0))
