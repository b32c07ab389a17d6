"""What params.yaml must say for a teacher's rounds, beyond the types of its values."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline.params import ParamsError, read_params

Write = Callable[[dict[str, Any]], Path]


@pytest.fixture
def teacher_params(tiny_params: dict[str, Any]) -> dict[str, Any]:
    """Params with one teacher's round that has nothing wrong."""
    del tiny_params["lse"]
    tiny_params["adapt"]["source_batch"] = tiny_params["adapt"]["batch"]
    tiny_params["teacher"] = {"compat": "paper"}
    tiny_params["rounds"] = {"one": {"method": "teacher", "init": "source-only"}}
    return tiny_params


def problems_of(path: Path) -> list[str]:
    try:
        read_params(path)
    except ParamsError as error:
        return error.problems
    return []


@pytest.mark.parametrize(
    ("section", "change", "numbers"),
    [
        ({"batch": 2, "source_batch": 1}, {}, (1, 2)),
        ({"batch": 2, "source_batch": 2}, {"batch": 3}, (2, 3)),
        ({"batch": 2, "source_batch": 1}, {"source_batch": 4}, (4, 2)),
    ],
)
def test_images_are_paired(
    teacher_params: dict[str, Any], write_params: Write, section: dict, change: dict, numbers: tuple[int, int]
) -> None:
    teacher_params["adapt"] |= section
    teacher_params["rounds"]["one"]["adapt"] = change
    (problem,) = problems_of(write_params(teacher_params))
    assert problem.startswith("rounds.one: a teacher pairs each target image with a source image")
    assert f"adapt.source_batch is {numbers[0]}, and adapt.batch {numbers[1]}" in problem


@pytest.mark.parametrize("change", [{"source_batch": 2}, {"batch": 1}])
def test_a_round_s_own_batches_count(teacher_params: dict[str, Any], write_params: Write, change: dict) -> None:
    teacher_params["adapt"] |= {"batch": 2, "source_batch": 1}
    teacher_params["rounds"]["one"]["adapt"] = change
    assert problems_of(write_params(teacher_params)) == []


def test_a_round_s_invalid_batch_is_one_problem(teacher_params: dict[str, Any], write_params: Write) -> None:
    teacher_params["rounds"]["one"]["adapt"] = {"batch": 0}
    (problem,) = problems_of(write_params(teacher_params))
    assert problem.startswith("rounds.one.adapt.batch: should be greater than or equal to 1")


def test_a_feature_distance_needs_imagenet_s_features(teacher_params: dict[str, Any], write_params: Write) -> None:
    teacher_params["teacher"]["feature_distance"] = {"weight": 0.005}
    (problem,) = problems_of(write_params(teacher_params))
    assert problem.startswith("teacher.feature_distance: ") and "model.pretrained" in problem
    for own in ({"weights": "imagenet.pth"}, {"encoder": "efficientnet-lite0", "pretrained": True}):
        assert problems_of(write_params(teacher_params | {"model": own})) == []


def test_source_and_target_are_of_one_size(teacher_params: dict[str, Any], write_params: Write) -> None:
    teacher_params["data"]["source"]["size"] = [48, 64]
    (problem,) = problems_of(write_params(teacher_params))
    assert problem.startswith("rounds.one: source images of [48, 64] are pasted onto target images of [32, 64]")
