"""ClassMix: which classes are pasted, and where.

# N batch, H/W pixels
"""

from __future__ import annotations

import numpy as np
import pytest
import torch

from pipeline.common.labels import IGNORE
from pipeline.training.teacher.classmix import chosen_classes, paste, pixels_of
from tests.golden_values import TEACHER_STEP, teacher_code

LABEL_HW = torch.tensor([[0, 0, 3, 3], [5, 5, IGNORE, 9]], dtype=torch.uint8)


def test_half_of_the_classes_rounded_up_never_the_ignored_one() -> None:
    seen: set[int] = set()
    for seed in range(40):
        chosen = chosen_classes(LABEL_HW, np.random.default_rng(seed))
        assert len(chosen) == len(set(chosen)) == 2
        seen |= set(chosen)
    assert seen == {0, 3, 5, 9}
    assert len(chosen_classes(LABEL_HW[:, :3], np.random.default_rng(0))) == 2  # of three


def test_the_choice_is_a_function_of_the_generator() -> None:
    assert chosen_classes(LABEL_HW, np.random.default_rng(7)) == chosen_classes(LABEL_HW, np.random.default_rng(7))


def test_nothing_is_pasted_from_a_label_that_is_ignored_everywhere() -> None:
    ignored_HW = torch.full_like(LABEL_HW, IGNORE)
    assert chosen_classes(ignored_HW, np.random.default_rng(0)) == []
    assert not pixels_of(ignored_HW, []).any()


def test_images_labels_and_weights_are_pasted_alike() -> None:
    mask_NHW = pixels_of(LABEL_HW, [3, 9])[None]
    assert mask_NHW[0].tolist() == [[False, False, True, True], [False, False, False, True]]
    images = paste(mask_NHW, torch.full((1, 3, 2, 4), 200, dtype=torch.uint8), torch.zeros(1, 3, 2, 4).byte())
    assert images.dtype == torch.uint8 and images[0, 1].tolist() == [[0, 0, 200, 200], [0, 0, 0, 200]]
    weights = paste(mask_NHW, torch.ones(1, 2, 4), torch.full((1, 2, 4), 0.25))
    assert weights[0].tolist() == [[0.25, 0.25, 1, 1], [0.25, 0.25, 0.25, 1]]


@pytest.mark.parametrize("case", ["a", "b"])
def test_pixels_of_the_chosen_classes_are_the_authors(case: str) -> None:
    golden = teacher_code()
    chosen = zip(golden[f"mix_{case}_label"][:, 0], golden[f"mix_{case}_chosen_classes"].tolist(), strict=True)
    masks = [pixels_of(label_HW, classes) for label_HW, classes in chosen]
    assert torch.equal(torch.stack(masks), golden[f"mix_{case}_mask"][:, 0])


@pytest.mark.parametrize("case", ["a", "b"])
def test_over_the_batch_the_classes_and_their_number_are_the_authors(case: str) -> None:
    golden = teacher_code()
    drawn = [
        chosen_classes(golden[f"mix_{case}_label"], np.random.default_rng(seed), with_ignored=True)
        for seed in range(40)
    ]
    assert {len(classes) for classes in drawn} == {golden[f"mix_{case}_chosen_classes"].shape[1]}
    assert {index for classes in drawn for index in classes} == set(golden[f"mix_{case}_batch_classes"].tolist())


def test_mixed_images_labels_and_weights_are_the_authors() -> None:
    golden = teacher_code()
    mask_NHW = golden["mix_a_mask"][:, 0]
    label_NHW = paste(mask_NHW, golden["mix_a_label"][:, 0], golden["mix_a_pseudo_label"])
    weight_NHW = golden["mix_a_pseudo_weight"]
    assert torch.equal(label_NHW, golden["mix_a_mixed_label"])
    assert torch.equal(paste(mask_NHW, torch.ones_like(weight_NHW), weight_NHW), golden["mix_a_mixed_weight"])
    thinned_NHW = mask_NHW[:, ::TEACHER_STEP, ::TEACHER_STEP]
    image_N3HW = paste(thinned_NHW, golden["mix_a_image"], golden["mix_a_target_image"])
    assert torch.equal(image_N3HW, golden["mix_a_mixed_image"])
