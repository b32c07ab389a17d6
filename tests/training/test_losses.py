"""Cross entropy and focal loss by hand; ignored pixels take no part.

# N batch, C class, H/W pixels
"""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from pipeline.common.labels import IGNORE
from pipeline.training.losses import cross_entropy, cross_entropy_per_pixel, focal_loss, focal_of_mean


def logits_of(*prob_of_first: float) -> Tensor:
    """(1,2,1,W): the first of two classes has these probabilities."""
    first_W = torch.tensor(prob_of_first, dtype=torch.float64)
    return torch.stack([first_W.log(), (1 - first_W).log()])[None, :, None].requires_grad_()


def label_of(*values: int) -> Tensor:
    return torch.tensor([[values]], dtype=torch.uint8)


def test_cross_entropy_is_the_mean_of_minus_ln_p_over_pixels_that_count() -> None:
    logits = logits_of(0.5, 0.25, 0.9)
    loss = cross_entropy(logits, label_of(0, 1, IGNORE))
    assert loss.item() == pytest.approx((-math.log(0.5) - math.log(0.75)) / 2)


def test_with_weights_of_classes_it_is_torchs_weighted_mean() -> None:
    logits_NCHW = torch.randn((2, 3, 3, 4), generator=torch.Generator().manual_seed(0))
    label_NHW = torch.randint(0, 3, (2, 3, 4), generator=torch.Generator().manual_seed(1))
    label_NHW[0, 0] = IGNORE
    weight_C = torch.tensor([0.5, 4.0, 1.0])
    expected = functional.cross_entropy(logits_NCHW, label_NHW, weight=weight_C, ignore_index=IGNORE)
    torch.testing.assert_close(cross_entropy(logits_NCHW, label_NHW.to(torch.uint8), weight_C), expected)
    nothing_NHW = torch.full((2, 3, 4), IGNORE, dtype=torch.uint8)
    assert cross_entropy(logits_NCHW, nothing_NHW, weight_C).item() == 0


def test_the_loss_of_a_pixel_is_0_where_ignored() -> None:
    loss_NHW, counted = cross_entropy_per_pixel(logits_of(0.5, 0.25, 0.9), label_of(0, 1, IGNORE))
    assert loss_NHW.flatten().tolist() == pytest.approx([-math.log(0.5), -math.log(0.75), 0.0])
    assert int(counted) == 2


def test_the_gradient_is_that_of_torchs_own_mean() -> None:
    logits_NCHW = torch.randn((2, 5, 3, 4), generator=torch.Generator().manual_seed(0)).requires_grad_()
    label_NHW = torch.randint(0, 5, (2, 3, 4), generator=torch.Generator().manual_seed(1))
    label_NHW[0, 0] = IGNORE
    (found,) = torch.autograd.grad(cross_entropy(logits_NCHW, label_NHW.to(torch.uint8)), logits_NCHW)
    reference = functional.cross_entropy(logits_NCHW, label_NHW, ignore_index=IGNORE)
    (expected,) = torch.autograd.grad(reference, logits_NCHW)
    torch.testing.assert_close(found, expected)
    assert (found[0, :, 0] == 0).all()


def test_focal_loss_weighs_each_pixel_by_how_wrong_it_is() -> None:
    loss = focal_loss(*cross_entropy_per_pixel(logits_of(0.5, 0.25, 0.9), label_of(0, 1, IGNORE)), gamma=3.0)
    assert loss.item() == pytest.approx((-math.log(0.5) * 0.5**3 - math.log(0.75) * 0.25**3) / 2, rel=1e-5)


def test_focal_loss_with_gamma_0_is_cross_entropy() -> None:
    logits, label = logits_of(0.5, 0.25, 0.9), label_of(0, 1, IGNORE)
    focal = focal_loss(*cross_entropy_per_pixel(logits, label), gamma=0.0)
    assert focal.item() == pytest.approx(cross_entropy(logits, label).item())
    (found,) = torch.autograd.grad(focal, logits)
    (expected,) = torch.autograd.grad(cross_entropy(logits, label), logits)
    torch.testing.assert_close(found, expected)


def test_the_weight_of_the_focal_loss_takes_part_in_its_gradient() -> None:
    logits = logits_of(0.5)
    (found,) = torch.autograd.grad(focal_loss(*cross_entropy_per_pixel(logits, label_of(0)), gamma=1.0), logits)
    # d/dz of -ln(p)(1 - p) is (-(1 - p)/p + ln p) · p(1 - p), at p = .5
    assert float(found[0, 0, 0, 0]) == pytest.approx((-1 + math.log(0.5)) * 0.25, rel=1e-5)


def test_the_focal_loss_of_a_mean_is_not_the_mean_of_focal_losses() -> None:
    logits, label = logits_of(0.5, 0.25), label_of(0, 1)
    mean = cross_entropy(logits, label)
    expected = mean.item() * (1 - math.exp(-mean.item())) ** 3
    assert focal_of_mean(mean, 3.0).item() == pytest.approx(expected)
    assert focal_loss(*cross_entropy_per_pixel(logits, label), 3.0).item() != pytest.approx(expected, rel=0.05)


def all_losses(logits: Tensor, label: Tensor, gamma: float) -> dict[str, Tensor]:
    return {
        "cross entropy": cross_entropy(logits, label),
        "focal": focal_loss(*cross_entropy_per_pixel(logits, label), gamma),
        "focal of mean": focal_of_mean(cross_entropy(logits, label), gamma),
    }


@pytest.mark.parametrize("gamma", [0.0, 0.5, 1.0, 3.0])
def test_a_batch_of_ignored_pixels_alone_has_loss_0_and_gradient_0(gamma: float) -> None:
    for name, loss in all_losses(logits := logits_of(0.5, 0.2), label_of(IGNORE, IGNORE), gamma).items():
        (gradient,) = torch.autograd.grad(loss, logits)
        assert loss.item() == 0.0, name
        assert (gradient == 0).all(), name


HALF = 0.5


@pytest.mark.parametrize("gamma", [0.0, HALF, 1.0, 3.0])
def test_a_pixel_that_is_right_beyond_rounding_has_a_finite_gradient(gamma: float) -> None:
    for margin in (17.0, 40.0, 200.0):
        logits = torch.tensor([margin, 0.0]).view(1, 2, 1, 1).requires_grad_()
        for name, loss in all_losses(logits, label_of(0), gamma).items():
            (gradient,) = torch.autograd.grad(loss, logits)
            assert torch.isfinite(gradient).all(), (name, margin)


def test_a_pixel_that_is_wholly_wrong_has_a_finite_loss() -> None:
    logits = torch.tensor([0.0, 500.0]).view(1, 2, 1, 1).requires_grad_()
    for name, loss in all_losses(logits, label_of(0), 3.0).items():
        assert loss.item() == pytest.approx(500), name
