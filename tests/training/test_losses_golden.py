"""Cross entropy over all pixels: values and gradients of the teachers' released code; MRKLD by hand.

# N batch, C class, H/W pixels
"""

from __future__ import annotations

import math

import pytest
import torch

from pipeline.common.labels import IGNORE
from pipeline.models.base import Upsample
from pipeline.training.losses import cross_entropy, model_regulariser, weighted_cross_entropy
from tests.golden_values import TEACHER_STEP, teacher_code


@pytest.mark.parametrize("name", ["weighted", "plain"])
def test_the_loss_and_its_gradient_are_the_authors(name: str) -> None:
    golden = teacher_code()
    logits_NCHW = golden["loss_logits"].clone().requires_grad_()
    weight_NHW = golden["loss_weights"] if name == "weighted" else None
    loss = weighted_cross_entropy(logits_NCHW, golden["loss_labels"], weight_NHW)
    (gradient_NCHW,) = torch.autograd.grad(loss, logits_NCHW)
    assert loss.item() == pytest.approx(float(golden[f"loss_{name}"]), rel=1e-6)
    thinned = gradient_NCHW[..., ::TEACHER_STEP, ::TEACHER_STEP]
    torch.testing.assert_close(thinned, golden[f"loss_{name}_gradient"], rtol=0, atol=1e-9)


def test_the_loss_of_logits_that_are_up_sampled_is_the_authors() -> None:
    golden = teacher_code()
    logits_NChw, label_NHW = golden["loss_head_logits"].clone().requires_grad_(), golden["loss_head_labels"][:, 0]
    logits_NCHW = Upsample()(logits_NChw, (24, 32))
    loss = weighted_cross_entropy(logits_NCHW, label_NHW, golden["loss_head_weights"])
    (gradient_NChw,) = torch.autograd.grad(loss, logits_NChw)
    assert loss.item() == pytest.approx(float(golden["loss_head"]), rel=1e-6)
    thinned = gradient_NChw[..., ::TEACHER_STEP, ::TEACHER_STEP]
    torch.testing.assert_close(thinned, golden["loss_head_gradient"], rtol=0, atol=1e-8)


def test_ignored_pixels_add_0_but_are_counted() -> None:
    logits_NCHW = torch.zeros((1, 2, 1, 4)).requires_grad_()
    label_NHW = torch.tensor([[[0, 1, IGNORE, IGNORE]]], dtype=torch.uint8)
    assert weighted_cross_entropy(logits_NCHW, label_NHW).item() == pytest.approx(math.log(2) / 2)
    weight_NHW = torch.tensor([[[0.5, 0.0, 1.0, 1.0]]])
    assert weighted_cross_entropy(logits_NCHW, label_NHW, weight_NHW).item() == pytest.approx(math.log(2) / 8)


def test_a_batch_of_ignored_pixels_has_loss_0_and_gradient_0() -> None:
    label_NHW = torch.full((1, 2, 2), IGNORE, dtype=torch.uint8)
    for loss_of in (weighted_cross_entropy, model_regulariser):
        logits_NCHW = torch.randn((1, 3, 2, 2), generator=torch.Generator().manual_seed(0)).requires_grad_()
        loss = loss_of(logits_NCHW, label_NHW)
        (gradient_NCHW,) = torch.autograd.grad(loss, logits_NCHW)
        assert loss.item() == 0
        assert (gradient_NCHW == 0).all()


def test_the_regulariser_is_the_mean_of_minus_ln_p_over_classes_and_labelled_pixels() -> None:
    prob_CW = torch.tensor([[0.5, 0.9, 0.2], [0.5, 0.1, 0.8]])
    label_NHW = torch.tensor([[[0, 1, IGNORE]]], dtype=torch.uint8)
    expected = (2 * -math.log(0.5) - math.log(0.9) - math.log(0.1)) / 4
    assert model_regulariser(prob_CW.log()[None, :, None], label_NHW).item() == pytest.approx(expected, rel=1e-6)


def test_the_regulariser_is_the_divergence_from_uniform_up_to_a_constant() -> None:
    logits_NCHW = torch.randn((2, 5, 3, 4), generator=torch.Generator().manual_seed(0))
    label_NHW = torch.zeros((2, 3, 4), dtype=torch.uint8)
    log_prob_NCHW = logits_NCHW.log_softmax(dim=1)
    uniform_NCHW = torch.full_like(log_prob_NCHW, 1 / 5)
    divergence = torch.nn.functional.kl_div(log_prob_NCHW, uniform_NCHW, reduction="sum") / label_NHW.numel()
    found = model_regulariser(logits_NCHW, label_NHW) - math.log(5)
    torch.testing.assert_close(found, divergence)


def test_the_regulariser_draws_pseudo_labels_away_from_certainty() -> None:
    logits_NCHW = torch.tensor([4.0, 0.0]).view(1, 2, 1, 1).requires_grad_()
    label_NHW = torch.zeros((1, 1, 1), dtype=torch.uint8)
    loss = cross_entropy(logits_NCHW, label_NHW) + 0.1 * model_regulariser(logits_NCHW, label_NHW)
    (gradient_NCHW,) = torch.autograd.grad(loss, logits_NCHW)
    assert float(gradient_NCHW[0, 0, 0, 0]) > 0  # cross entropy alone would raise the logit for ever
