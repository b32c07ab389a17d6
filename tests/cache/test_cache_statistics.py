"""Label, entropy and sums per class, against loops over pixels.

# N batch, C class, H/W pixels
"""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from pipeline.cache.statistics import Planes, class_statistics, entropy_byte, planes, planes_of_probabilities


def random_logits(classes: int = 5) -> torch.Tensor:
    return 3 * torch.randn((3, classes, 4, 6), generator=torch.Generator().manual_seed(0))


def test_planes_are_those_of_a_loop_over_pixels() -> None:
    logits_NCHW = random_logits()
    answer = planes(logits_NCHW)
    for image, row, column in np.ndindex(3, 4, 6):
        scores = [math.exp(value) for value in logits_NCHW[image, :, row, column].double().tolist()]
        prob = [score / sum(scores) for score in scores]
        assert int(answer.label_NHW[image, row, column]) == prob.index(max(prob))
        assert float(answer.confidence_NHW[image, row, column]) == pytest.approx(max(prob), rel=1e-5)
        entropy = -sum(p * math.log(p) for p in prob)
        assert float(answer.entropy_NHW[image, row, column]) == pytest.approx(entropy, abs=1e-5)


def test_planes_of_probabilities_agree_with_planes_of_logits() -> None:
    logits_NCHW = random_logits()
    expected, answer = planes(logits_NCHW), planes_of_probabilities(torch.softmax(logits_NCHW, dim=1))
    assert torch.equal(answer.label_NHW, expected.label_NHW)
    torch.testing.assert_close(answer.confidence_NHW, expected.confidence_NHW)
    torch.testing.assert_close(answer.entropy_NHW, expected.entropy_NHW, atol=1e-5, rtol=0)


def test_a_certain_pixel_has_entropy_0_and_an_undecided_one_ln_c() -> None:
    certain = torch.tensor([1000.0, 0.0, -1000.0, 0.0]).view(1, 4, 1, 1)
    undecided = torch.full((1, 4, 1, 1), -7.0)
    assert float(planes(certain).entropy_NHW) == 0.0
    assert float(planes(undecided).entropy_NHW) == pytest.approx(math.log(4))
    assert float(planes_of_probabilities(torch.softmax(certain, 1)).entropy_NHW) == 0.0


def test_entropy_never_leaves_its_range_by_rounding() -> None:
    logits_NCHW = torch.randn((4, 19, 32, 32), generator=torch.Generator().manual_seed(1)) * 1e-4 + 50
    entropy_NHW = planes(logits_NCHW).entropy_NHW
    assert float(entropy_NHW.max()) <= math.log(19)
    assert float(planes(logits_NCHW * 1e6).entropy_NHW.min()) >= 0


def naive_statistics(answer: Planes, classes: int) -> dict[str, np.ndarray]:
    images = answer.label_NHW.shape[0]
    names = ("pixel_count", "confidence_sum", "entropy_sum", "entropy_min", "entropy_max")
    found = {name: np.zeros((images, classes)) for name in names}
    for image, row, column in np.ndindex(*answer.label_NHW.shape):
        place = image, int(answer.label_NHW[image, row, column])
        entropy = float(answer.entropy_NHW[image, row, column])
        first = found["pixel_count"][place] == 0
        found["pixel_count"][place] += 1
        found["confidence_sum"][place] += float(answer.confidence_NHW[image, row, column])
        found["entropy_sum"][place] += entropy
        found["entropy_min"][place] = entropy if first else min(entropy, found["entropy_min"][place])
        found["entropy_max"][place] = entropy if first else max(entropy, found["entropy_max"][place])
    return found


def test_class_statistics_are_those_of_a_loop_over_pixels() -> None:
    logits_NCHW = random_logits()
    logits_NCHW[:, 3] -= 100  # predicted nowhere
    logits_NCHW[1, 2] += 100  # alone in the second image
    answer = planes(logits_NCHW)
    found, expected = class_statistics(answer, 5), naive_statistics(answer, 5)
    assert set(found) == set(expected)
    for name, value in found.items():
        np.testing.assert_allclose(value.numpy(), expected[name], rtol=1e-12, err_msg=name)
    assert found["pixel_count"][1].tolist() == [0, 0, 24, 0, 0]
    assert found["pixel_count"][:, 3].tolist() == [0, 0, 0]
    assert found["confidence_sum"].dtype == torch.float64


def test_a_class_of_one_pixel_has_its_entropy_as_smallest_and_largest() -> None:
    one = torch.tensor
    answer = Planes(one([[[0, 1]]]), one([[[0.9, 0.6]]]), one([[[0.25, 0.5]]]))
    found = class_statistics(answer, 3)
    assert found["entropy_min"].tolist() == found["entropy_max"].tolist() == [[0.25, 0.5, 0.0]]


def test_the_entropy_byte_runs_from_0_to_255() -> None:
    entropy = torch.tensor([0.0, math.log(19) / 2, math.log(19), 1.01 * math.log(19)])
    assert entropy_byte(entropy, 19).tolist() == [0, 128, 255, 255]
