"""Feature distance: the released code's loss, gradient and small labels; a batch without things.

# N batch, D feature channels, H/W pixels, h/w feature resolution
"""

from __future__ import annotations

import pytest
import torch

from pipeline.common.labels import IGNORE
from pipeline.training.teacher.feature_distance import feature_distance, label_by_share
from tests.golden_values import teacher_code


def test_the_loss_and_its_gradient_are_the_authors() -> None:
    golden = teacher_code()
    feature_NDhw = golden["fd_features"].clone().requires_grad_()
    things = golden["fd_classes"].tolist()
    distance = feature_distance(feature_NDhw, golden["fd_features_imagenet"], golden["fd_labels"][:, 0], things)
    loss = 0.005 * distance
    (gradient_NDhw,) = torch.autograd.grad(loss, feature_NDhw)
    assert loss.item() == pytest.approx(float(golden["fd_loss"]), rel=1e-6)
    torch.testing.assert_close(gradient_NDhw, golden["fd_gradient"], rtol=0, atol=1e-9)


@pytest.mark.parametrize("key", ["fd_labels_small_by2", "fd_labels_small", "fd_labels_small_by16"])
def test_small_labels_are_the_authors(key: str) -> None:
    golden = teacher_code()
    small_Nhw = golden[key][:, 0]
    height, width = small_Nhw.shape[-2:]
    assert torch.equal(label_by_share(golden["fd_labels"][:, 0], (height, width), 0.75), small_Nhw)


def test_a_share_of_exactly_the_minimum_stays_and_ignored_pixels_count() -> None:
    label_NHW = torch.full((1, 4, 8), IGNORE, dtype=torch.uint8)
    label_NHW[0, :3, :4] = 6  # 12 of 16
    label_NHW[0, :3, 4:] = 7
    label_NHW[0, 0, 4] = IGNORE  # 11 of 16
    assert label_by_share(label_NHW, (1, 2), 0.75).flatten().tolist() == [6, IGNORE]


def test_blocks_of_a_size_that_does_not_divide_cover_every_pixel() -> None:
    label_NHW = torch.zeros((1, 5, 5), dtype=torch.uint8)
    label_NHW[0, :, 3:] = 2
    assert label_by_share(label_NHW, (2, 2), 0.6).tolist() == [[[0, 2], [0, 2]]]
    assert label_by_share(label_NHW, (2, 2), 0.7).tolist() == [[[0, IGNORE], [0, IGNORE]]]


@pytest.mark.parametrize("value", [0, IGNORE])
def test_without_things_the_loss_and_its_gradient_are_0(value: int) -> None:
    feature_NDhw = torch.randn((2, 3, 2, 2), generator=torch.Generator().manual_seed(0)).requires_grad_()
    label_NHW = torch.full((2, 8, 8), value, dtype=torch.uint8)
    distance = feature_distance(feature_NDhw, torch.zeros(2, 3, 2, 2), label_NHW, [6])
    (gradient_NDhw,) = torch.autograd.grad(distance, feature_NDhw)
    assert distance.item() == 0
    assert (gradient_NDhw == 0).all()


def test_equal_features_have_gradient_0() -> None:
    feature_NDhw = torch.ones((1, 3, 2, 2)).requires_grad_()
    distance = feature_distance(feature_NDhw, torch.ones(1, 3, 2, 2), torch.zeros((1, 4, 4), dtype=torch.uint8), [0])
    (gradient_NDhw,) = torch.autograd.grad(distance, feature_NDhw)
    assert (gradient_NDhw == 0).all()
