"""Label, entropy and sums per class, against loops over pixels.

# N batch, C class, H/W pixels
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch

from pipeline.cache.bins import CONFIDENCE_BINS, SURE, confidence_edges
from pipeline.cache.encode import empty_histograms, named_statistics
from pipeline.cache.kernels import PlanesHW, empty_planes, empty_sums, measure_probabilities
from pipeline.cache.schema import ALL_STATISTICS, CENTROID_STATISTICS, PER_CLASS_STATISTICS
from pipeline.cache.statistics import (
    Planes,
    entropy_byte,
    histograms,
    image_statistics,
    planes,
    planes_of_probabilities,
)


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


def naive_statistics(prob_NCHW: torch.Tensor, answer: Planes) -> dict[str, np.ndarray]:
    images, classes = prob_NCHW.shape[:2]
    found = {name: np.zeros((images, classes)) for name in PER_CLASS_STATISTICS}
    found |= {name: np.zeros((images, classes, classes)) for name in CENTROID_STATISTICS}
    found["entropy_mean"] = np.zeros(images)
    for image, row, column in np.ndindex(*answer.label_NHW.shape):
        place = image, int(answer.label_NHW[image, row, column])
        entropy = float(answer.entropy_NHW[image, row, column])
        confidence = float(answer.confidence_NHW[image, row, column])
        prob_C = prob_NCHW[image, :, row, column].double().numpy()
        first = found["pixel_count"][place] == 0
        found["pixel_count"][place] += 1
        found["confidence_sum"][place] += confidence
        found["entropy_sum"][place] += entropy
        found["entropy_min"][place] = entropy if first else min(entropy, found["entropy_min"][place])
        found["entropy_max"][place] = entropy if first else max(entropy, found["entropy_max"][place])
        found["probability_sum"][place] += prob_C
        found["weighted_probability_sum"][place] += confidence * prob_C
        found["entropy_mean"][image] += entropy / answer.label_NHW[0].numel()
    return found


def structured_probabilities() -> torch.Tensor:
    logits_NCHW = random_logits()
    logits_NCHW[:, 3] -= 100  # predicted nowhere
    logits_NCHW[1, 2] += 100  # alone in the second image
    logits_NCHW[2, 0, :2] += 20  # sure: the fine bins of the histogram
    return torch.softmax(logits_NCHW, dim=1)


def by_torch(prob_NCHW: torch.Tensor) -> tuple[Planes, dict[str, np.ndarray]]:
    answer = planes_of_probabilities(prob_NCHW)
    return answer, {name: value.numpy() for name, value in image_statistics(prob_NCHW, answer).items()}


def by_the_compiled_loop(prob_NCHW: torch.Tensor) -> tuple[Planes, dict[str, np.ndarray]]:
    planes, statistics = [], []
    for prob_CHW in prob_NCHW.numpy():
        planes.append(empty_planes((prob_CHW.shape[1], prob_CHW.shape[2])))
        sums = empty_sums(len(prob_CHW))
        measure_probabilities(prob_CHW, planes=planes[-1], sums=sums)
        statistics.append(named_statistics(sums))
    stacked = {name: np.stack([image[name] for image in statistics]) for name in statistics[0]}
    label, confidence, entropy = (torch.from_numpy(np.stack(plane)) for plane in zip(*planes, strict=True))
    return Planes(label.long(), confidence, entropy), stacked


@pytest.mark.parametrize("measured_by", [by_torch, by_the_compiled_loop])
def test_statistics_are_those_of_a_loop_over_pixels(
    measured_by: Callable[[torch.Tensor], tuple[Planes, dict[str, np.ndarray]]],
) -> None:
    prob_NCHW = structured_probabilities()
    answer, found = measured_by(prob_NCHW)
    expected = naive_statistics(prob_NCHW, answer)
    assert set(found) == set(expected) == set(ALL_STATISTICS)
    for name, value in found.items():
        np.testing.assert_allclose(value, expected[name], rtol=2e-6, atol=1e-30, err_msg=name)
    assert found["pixel_count"][1].tolist() == [0, 0, 24, 0, 0]
    assert found["pixel_count"][:, 3].tolist() == [0, 0, 0]
    assert found["pixel_count"].dtype == np.int64
    assert found["confidence_sum"].dtype == np.float64


def test_the_compiled_loop_answers_the_planes_of_torch() -> None:
    prob_NCHW = structured_probabilities()
    (torchs, _), (ours, _) = by_torch(prob_NCHW), by_the_compiled_loop(prob_NCHW)
    assert torch.equal(ours.label_NHW, torchs.label_NHW)
    assert torch.equal(ours.confidence_NHW, torchs.confidence_NHW)
    torch.testing.assert_close(ours.entropy_NHW, torchs.entropy_NHW, atol=1e-6, rtol=1e-6)


def test_a_class_of_one_pixel_has_its_entropy_as_smallest_and_largest() -> None:
    one = torch.tensor
    answer = Planes(one([[[0, 1]]]), one([[[0.9, 0.6]]]), one([[[0.25, 0.5]]]))
    found = image_statistics(torch.zeros(1, 3, 1, 2), answer)
    assert found["entropy_min"].tolist() == found["entropy_max"].tolist() == [[0.25, 0.5, 0.0]]


def test_equal_probabilities_go_to_the_first_class() -> None:
    prob_1CHW = torch.tensor([0.2, 0.4, 0.4]).view(1, 3, 1, 1).expand(1, 3, 2, 20).contiguous()
    for measured_by in (by_torch, by_the_compiled_loop):
        assert (measured_by(prob_1CHW)[0].label_NHW == 1).all()


# ------------------------------------------------------------------------------------------------------- histograms


def test_both_histograms_count_every_pixel_in_the_bin_of_its_value() -> None:
    answer, _ = by_torch(structured_probabilities())
    for_torch = [counts.numpy() for counts in histograms(answer, 5)]
    ours = empty_histograms(5)
    for image in range(3):
        ours.add_pixels(
            PlanesHW(
                answer.label_NHW[image].to(torch.uint8).numpy(),
                answer.confidence_NHW[image].numpy(),
                answer.entropy_NHW[image].numpy(),
            )
        )
    np.testing.assert_array_equal(ours.confidence_CB, for_torch[0])
    np.testing.assert_array_equal(ours.entropy_CB, for_torch[1])
    edges = confidence_edges()
    for class_index in range(5):
        values = np.sort(answer.confidence_NHW[answer.label_NHW == class_index].numpy())
        floors = np.repeat(edges, ours.confidence_CB[class_index])
        assert len(floors) == len(values)
        assert (floors <= values).all()
        assert (values - floors < 2**-16).all()
        np.testing.assert_array_equal(values[values >= SURE], floors[values >= SURE])  # exact where networks are sure


@pytest.mark.parametrize("value", [1 / 19, 0.5, SURE - 2**-24, SURE, SURE + 2**-24, 1 - 2**-24, 1.0])
def test_a_bin_begins_at_or_below_its_values(value: float) -> None:
    confidence = np.float32(value)
    counts = empty_histograms(2)
    counts.add_pixels(PlanesHW(np.zeros((1, 1), np.uint8), np.full((1, 1), confidence), np.zeros((1, 1), np.float32)))
    place = int(counts.confidence_CB[0].argmax())
    edges = confidence_edges()
    assert len(edges) == CONFIDENCE_BINS
    assert (np.diff(edges) > 0).all()
    assert edges[place] <= confidence
    assert place == CONFIDENCE_BINS - 1 or confidence < edges[place + 1]


def test_the_entropy_byte_runs_from_0_to_255() -> None:
    entropy = torch.tensor([0.0, math.log(19) / 2, math.log(19), 1.01 * math.log(19)])
    assert entropy_byte(entropy, 19).tolist() == [0, 130, 255, 255]
