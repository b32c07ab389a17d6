"""`roundabout list`: the class-balanced score and the file that it writes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from pipeline.cli import app
from pipeline.datasets.split_lists import read_list
from pipeline.methods.class_balanced import best_scored, class_balanced_score


def test_the_score_is_the_mean_over_classes_of_the_mean_confidence() -> None:
    pixel_count_NC = np.array([[4, 0, 0], [2, 1, 1], [1, 3, 0]])
    confidence_sum_NC = np.array([[4.0, 0.0, 0.0], [1.2, 0.5, 0.4], [0.9, 2.4, 0.0]])
    # one sure class: 1/3; three unsure ones: (0.6 + 0.5 + 0.4)/3; two: (0.9 + 0.8)/3
    expected = [1 / 3, 0.5, 1.7 / 3]
    np.testing.assert_allclose(class_balanced_score(pixel_count_NC, confidence_sum_NC), expected)


def test_the_best_stand_in_their_own_order_and_ties_keep_the_earlier() -> None:
    assert best_scored(np.array([0.1, 0.5, 0.3, 0.5, 0.3]), 3) == [1, 2, 3]
    with pytest.raises(ValueError, match="6 images are asked for, and there are 5"):
        best_scored(np.zeros(5), 6)


def test_of_many_equal_scores_the_earlier_images_are_kept() -> None:
    """So many that a sort which is not stable mixes them."""
    scores = np.tile([0.25, 0.5], 40)
    assert best_scored(scores, 20) == list(range(1, 41, 2))
    assert best_scored(scores, 60) == sorted([*range(1, 80, 2), *range(0, 40, 2)])


def test_a_list_is_computed_from_a_cache_and_read_back(tmp_path: Path, write_cache: Callable[..., Path]) -> None:
    logits = torch.full((4, 3, 2, 2), -9.0)
    logits[:, 0] = 0.0  # all of class 0, surely
    logits[2, 1, 0] = 9.0  # the third image has a second class
    logits[1, :, 0, 0] = torch.tensor([0.0, 0.0, 0.1])  # and the second has one, unsurely
    ids = ["a", "b", "c", "d"]
    cache = write_cache(tmp_path / "cache", logits, (2, 2), ids)
    out = tmp_path / "lists" / "two.txt"
    answer = CliRunner().invoke(app, ["list", str(cache), str(out), "--images", "2"])
    assert answer.exit_code == 0, answer.output
    lines = out.read_text(encoding="utf-8").splitlines()
    assert lines[0].startswith("# The 2 of 4 images with the highest class-balanced score (mean over 3 classes")
    assert [line for line in lines if not line.startswith("#")] == ["b", "c"]
    assert read_list(out, set(ids), str) == {"b", "c"}
    answer = CliRunner().invoke(app, ["list", str(cache), str(out), "--images", "1"])
    assert answer.exit_code == 1 and "is there already" in answer.output and out.read_text().splitlines() == lines
    assert CliRunner().invoke(app, ["list", str(cache), str(out), "--images", "1", "--force"]).exit_code == 0
    assert read_list(out, set(ids), str) == {"c"}
    answer = CliRunner().invoke(app, ["list", str(cache), str(out)])
    assert answer.exit_code == 1
    assert "--images: is 505, and" in answer.output
