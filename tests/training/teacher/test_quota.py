"""Running quantiles: thresholds follow from counts, and counts from the cache and the last batches.

# C class, B bins, H/W pixels
"""

from __future__ import annotations

import numpy as np
import pytest
import torch

from pipeline.common.labels import IGNORE
from pipeline.training.teacher.quota import RunningQuantile

BINS = 1000


def counts_of(confidences: list[list[float]]) -> np.ndarray:
    """Return (C,B) of each class's confidences."""
    counts_CB = np.zeros((len(confidences), BINS), np.int64)
    for index, values in enumerate(confidences):
        np.add.at(counts_CB[index], np.minimum((np.array(values) * BINS).astype(int), BINS - 1), 1)
    return counts_CB


@pytest.mark.parametrize("portion", [0.1, 0.5, 0.66, 1.0])
@pytest.mark.parametrize("seed", range(10))
def test_each_class_gets_at_least_its_portion_and_no_bin_less_would_do(seed: int, portion: float) -> None:
    generator = np.random.default_rng(seed)
    bins = [generator.integers(0, BINS, generator.integers(1, 30)).tolist() for _ in range(3)]
    quota = RunningQuantile(counts_of([[(one + 0.5) / BINS for one in values] for values in bins]), 0.98)
    for values, threshold in zip(bins, quota.thresholds(portion, 1.0).tolist(), strict=True):
        least = round(threshold * BINS)
        assert sum(one >= least for one in values) >= portion * len(values) - 1e-6
        assert sum(one > least for one in values) < portion * len(values) + 1e-6


def test_a_threshold_is_at_most_the_largest_and_an_absent_class_has_the_largest() -> None:
    quota = RunningQuantile(counts_of([[0.99, 0.98], [], [0.5, 0.4]]), 0.9)
    assert quota.thresholds(0.5, 0.95).tolist() == pytest.approx([0.95, 0.95, 0.5])


def test_old_counts_fade_and_ignored_pixels_do_not_count() -> None:
    quota = RunningQuantile(counts_of([[0.3], [0.3]]), 0.5)
    label_NHW = torch.tensor([[[0, 1, IGNORE]]], dtype=torch.uint8)
    confidence_NHW = torch.tensor([[[0.8, 0.6, 0.1]]])
    assert float(quota.histogram_CB.sum()) == pytest.approx(2.0)  # of two batches: 1 / (1 - 0.5)
    for _ in range(30):
        quota.add(label_NHW, confidence_NHW)
    assert float(quota.histogram_CB.sum()) == pytest.approx(2.0)
    assert quota.thresholds(0.9, 1.0).tolist() == pytest.approx([0.8, 0.6], abs=1e-3)


def test_counts_are_kept_in_its_state() -> None:
    quota = RunningQuantile(counts_of([[0.3], [0.7]]), 0.9)
    quota.add(torch.tensor([[[0, 1]]], dtype=torch.uint8), torch.tensor([[[0.4, 0.9]]]))
    other = RunningQuantile(counts_of([[0.1], [0.1]]), 0.9)
    other.load_state_dict(quota.state_dict())
    assert torch.equal(other.histogram_CB, quota.histogram_CB)
