"""The terms of alignments, by hand and against the released code's numbers.

# N batch, C class, H/W pixels, D feature channels
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import pytest
import torch

from pipeline.training.alignment.adversarial import FIRST, SECOND, domain_loss
from pipeline.training.alignment.entropy import EntropyMinimisation, mean_entropy, self_information
from pipeline.training.alignment.style import (
    MatchedStatistic,
    channel_means,
    channel_means_and_deviations,
    gram_matrix,
)
from pipeline.training.forward import Outputs

ANY = Outputs(torch.zeros(1, 2, 1, 1))


def test_self_information_is_the_released_codes(golden: Mapping[str, np.ndarray]) -> None:
    prob_NCHW = torch.from_numpy(golden["prob"][:2])
    golden_NCHW = torch.from_numpy(golden["advent_self_information_first2"])
    torch.testing.assert_close(self_information(prob_NCHW), golden_NCHW, rtol=1e-5, atol=1e-7)


def test_self_information_by_hand() -> None:
    prob_1411 = torch.tensor([0.5, 0.25, 0.25, 0.0]).view(1, 4, 1, 1)
    # -p log2 p is 0.5, 0.5, 0.5, 0 bits, of log2(4) = 2
    assert self_information(prob_1411).flatten().tolist() == pytest.approx([0.25, 0.25, 0.25, 0.0])
    assert float(mean_entropy(prob_1411)) == pytest.approx(0.75)


def test_mean_entropy_is_0_where_certain_1_where_uniform_and_a_mean_over_pixels() -> None:
    certain = torch.tensor([1.0, 0.0, 0.0]).view(1, 3, 1, 1)
    uniform = torch.full((1, 3, 1, 1), 1 / 3)
    assert float(mean_entropy(certain)) == pytest.approx(0.0, abs=1e-6)
    assert float(mean_entropy(uniform)) == pytest.approx(1.0)
    assert float(mean_entropy(torch.cat([certain, uniform, uniform, uniform], dim=3))) == pytest.approx(0.75)


def test_certain_predictions_have_a_finite_gradient() -> None:
    logits = torch.tensor([200.0, 0.0, -200.0]).view(1, 3, 1, 1).requires_grad_()
    mean_entropy(logits.softmax(dim=1)).backward()
    assert logits.grad is not None
    assert torch.isfinite(logits.grad).all()


def test_entropy_minimisation_reads_its_head_of_the_unlabelled_images() -> None:
    certain, uniform = torch.tensor([50.0, 0.0]).view(1, 2, 1, 1), torch.zeros(1, 2, 1, 1)
    outputs = Outputs(certain, uniform)
    assert float(EntropyMinimisation("main", 0.5).generator_loss(ANY, outputs)) == pytest.approx(0.0, abs=1e-6)
    assert float(EntropyMinimisation("auxiliary", 0.5).generator_loss(ANY, outputs)) == pytest.approx(0.5)
    with pytest.raises(ValueError, match="no auxiliary head"):
        EntropyMinimisation("auxiliary", 0.5).generator_loss(ANY, ANY)


def test_the_vanilla_loss_is_binary_cross_entropy_with_source_0_and_target_1() -> None:
    score = torch.tensor([0.0, math.log(3)]).view(1, 1, 1, 2)  # sigmoid: 1/2, 3/4
    assert float(domain_loss(score, FIRST, "vanilla")) == pytest.approx((math.log(2) + math.log(4)) / 2)
    assert float(domain_loss(score, SECOND, "vanilla")) == pytest.approx((math.log(2) + math.log(4 / 3)) / 2)


def test_the_least_squares_loss_is_the_mean_squared_distance() -> None:
    score = torch.tensor([0.0, 3.0]).view(1, 1, 1, 2)
    assert float(domain_loss(score, FIRST, "ls")) == pytest.approx(9 / 2)
    assert float(domain_loss(score, SECOND, "ls")) == pytest.approx((1 + 4) / 2)


def test_statistics_of_style_by_hand() -> None:
    feature_1212 = torch.tensor([[[[1.0, 3.0]], [[2.0, 2.0]]]])
    assert channel_means(feature_1212).tolist() == [[[2.0, 2.0]]]
    expected = [[2.0, 2.0, math.sqrt(1 + 1e-5), math.sqrt(1e-5)]]
    assert channel_means_and_deviations(feature_1212).tolist() == [pytest.approx(expected[0], rel=1e-5)]
    assert gram_matrix(feature_1212).tolist() == [[[5.0, 4.0], [4.0, 4.0]]]


@pytest.mark.parametrize("statistic", [channel_means_and_deviations, gram_matrix])
def test_statistics_know_nothing_of_where_things_are_nor_of_the_images_size(statistic) -> None:
    feature = torch.randn(2, 4, 3, 6, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(statistic(feature), statistic(feature.flip(-1)))
    torch.testing.assert_close(statistic(feature), statistic(feature.repeat(1, 1, 2, 2)))


def test_a_matched_statistic_is_the_squared_distance_of_its_block_between_batch_means() -> None:
    logits = torch.zeros(1, 2, 1, 1)
    first = Outputs(logits, front=(torch.full((2, 3, 1, 1), 9.0), torch.full((2, 3, 2, 2), 1.0)))
    second = Outputs(logits, front=(torch.full((1, 3, 1, 1), 5.0), torch.full((1, 3, 2, 2), 3.0)))
    part = MatchedStatistic(1, gram_matrix, 0.5)
    assert float(part.generator_loss(first, second)) == pytest.approx(0.5 * (9 - 1) ** 2)
    assert float(part.generator_loss(second, second)) == 0.0
