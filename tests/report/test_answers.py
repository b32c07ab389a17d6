"""The four questions: what is said of gains, classes and pseudo-labels, and what to do next."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.common.labels import ClassSet
from pipeline.evaluation.images import PER_IMAGE, ImageScore, write_scores
from pipeline.evaluation.results import Result
from pipeline.params import Params
from pipeline.report.answers import Answers, answers_of, control_sentence
from pipeline.report.next_steps import next_steps
from pipeline.report.seed_set import Bundle, SeedSet
from pipeline.report.summary import summary_of
from tests.health.records import health_record
from tests.report.records import NAMES, record_of_runs, round_record, run_record

SOURCE, ORACLE = run_record("source-only", "initial", 0.4), run_record("oracle", "oracle", 0.6)
ROAD, SKY = NAMES


def seed_set_of(*runs: dict[str, Any], **params: Any) -> SeedSet:
    return SeedSet([Bundle(record_of_runs(list(runs), **params), {}, {}, Path())])


def answers(*runs: dict[str, Any], **params: Any) -> Answers:
    return answers_of(seed_set_of(*runs, **params))


def iou(road: float, sky: float | None) -> dict[str, Any]:
    return {"IoU": {ROAD: road, SKY: sky}}


def test_a_gain_has_its_interval_and_one_that_holds_0_is_called_so() -> None:
    (words,) = answers(SOURCE, round_record("lse-1", 0.45, gain_interval=[0.021, 0.0812])).worked
    assert "40.0 → 45.0 (95 % interval over images: +2.1 to +8.1)." in words
    (words,) = answers(SOURCE, round_record("lse-1", 0.45, gain_interval=[-0.01, 0.08])).worked
    assert "(95 % interval over images: -1.0 to +8.0; the choice of images alone may explain it)." in words


def test_a_control_that_is_not_certainly_worse_is_no_proof() -> None:
    control = run_record("longer", "initial", 0.44)
    for low, words in ((0.001, "more than training on the source alone earns"), (-0.001, "no certain difference")):
        last = round_record("lse-1", 0.45, control="longer", control_interval=[low, 0.02])
        assert f": {words} (95 % interval" in control_sentence(seed_set_of(SOURCE, control, last), "lse-1")


def test_several_seeds_are_compared_by_their_spread_not_by_images() -> None:
    record = record_of_runs([SOURCE, round_record("lse-1", 0.45, gain_interval=[0.01, 0.02])])
    both = [Bundle(record | {"seed": seed}, {}, {}, Path()) for seed in (1, 2)]
    assert "interval" not in answers_of(SeedSet(both)).worked[0]


def test_classes_that_gained_that_were_lost_and_without_a_gap_are_named() -> None:
    found = answers(SOURCE | iou(0.5, 0.4), round_record("lse-1", 0.4) | iou(0.6, 0.369), ORACLE | iou(0.5, 0.5))
    assert found.classes == [
        f"LSE: most gained: {ROAD} +10.0; lost: {SKY} -3.1.",
        f"The oracle is not above source-only on {ROAD}: no gap there.",
    ]
    assert found.steps[0].lines == ["roundabout compare source-only lse-1", "roundabout inspect lse-1"]
    found = answers(SOURCE | iou(0.5, 0.0), round_record("lse-1", 0.4) | iou(0.529, None), ORACLE | iou(0.9, 0.0))
    assert found.classes == ["LSE: no class gained three points; no class lost more than three points."]


def test_wrong_pseudo_labels_are_flagged_and_fewer_are_advised() -> None:
    wrong = {
        "pseudo_labels": {"coverage": 0.5, "precision": 0.49},
        "class_pseudo_labels": {
            ROAD: {"coverage": 0.5, "precision": 0.3}, SKY: {"coverage": 0.5, "precision": 0.5},
        },
    }  # fmt: skip
    found = answers(SOURCE, round_record("lse-1", 0.45) | wrong, **{"rounds.lse-1.portion": 0.5})
    assert found.trust == [
        f"LSE: pseudo-labels that are right: lse-1 49.0 % (below one half); below one half in lse-1: {ROAD}."
    ]
    assert found.steps[0].lines == ["dvc exp run -S rounds.lse-1.portion=0.35"]
    found = answers(SOURCE, round_record("lse-1", 0.45))
    assert found.trust == ["LSE: pseudo-labels that are right: lse-1 87.6 %."]


def test_a_round_that_fails_comes_first_and_one_that_was_guarded_does_not() -> None:
    def lines(result: Any) -> list[str]:
        last = round_record("lse-1", 0.45, health=health_record("fails", "sky is lost", result).as_json())
        return answers(SOURCE, last, **{"rounds.lse-1.portion": 0.2}).steps[0].lines

    assert lines("trained") == [
        "dvc exp run -S ++rounds.lse-1.guard=true", "dvc exp run -S rounds.lse-1.portion=0.14",
    ]  # fmt: skip
    assert lines("init") != lines("trained")


def test_one_to_three_steps_each_once() -> None:
    line = "control: {supervision: source, pretrain: {steps: 9}}"
    chains = [round_record(f"{kind}-1", 0.3, kind=kind, control_to_add=line) for kind in ("lse", "cbst")]
    steps = answers(SOURCE, *chains).steps
    assert [step.lines for step in steps] == [
        ["initial_models:", f"  {line}"],
        ["roundabout compare source-only lse-1", "roundabout inspect lse-1"],
        ["roundabout compare source-only cbst-1", "roundabout inspect cbst-1"],
    ]
    few = {"class_pseudo_labels": {ROAD: {"coverage": 0.009, "precision": 0.9}}}
    steps = answers(SOURCE, round_record("lse-1", 0.45) | few).steps
    assert [step.lines for step in steps] == [
        ["roundabout inspect lse-1"], ["roundabout overnight --seeds 1,2,3"], ["roundabout rounds lse"],
    ]  # fmt: skip


def test_another_round_is_advised_where_the_last_one_gained_for_certain() -> None:
    def last_step(second: float, **more: Any) -> list[str]:
        runs = (SOURCE, round_record("lse-1", 0.45), round_record("lse-2", second, "lse-1", round=2, **more))
        both = [Bundle(record_of_runs(list(runs)) | {"seed": 1}, {}, {}, Path())]
        return next_steps(SeedSet(both), {"lse-2": []})[-1].lines

    longer, look = ["roundabout rounds lse"], ["roundabout compare lse-1 lse-2"]
    assert last_step(0.46) == longer, "no interval is known"
    assert last_step(0.46, init_interval=[0.001, 0.02]) == longer
    assert last_step(0.46, init_interval=[-0.001, 0.02]) == look
    assert last_step(0.45) == last_step(0.44) == look


def test_without_rounds_there_is_one_sentence() -> None:
    assert answers(SOURCE) == Answers(["No round has been evaluated yet."], "", [], [], [])


def test_the_summary_compares_runs_over_the_same_images(tiny_params: dict[str, Any], tmp_path: Path) -> None:
    params = Params.model_validate(tiny_params)
    images = [ImageScore(name, 0.5, 0.5, 0.1) for name in "abcd"]
    rights = {"source-only": [1, 2, 3, 4], "lse-1": [3, 4, 5, 6], "lse-2": [1, 2, 3, 4]}
    for name, right_N in rights.items():
        shown = images if name != "lse-2" else images[::-1]
        confusions = [np.array([[right, 10 - right], [0, 0]]) for right in right_N]
        write_scores(tmp_path / name / PER_IMAGE, shown, ("a", "b"), confusions)
    kinds = {"source-only": "initial", "lse-1": "lse", "lse-2": "lse"}
    results = [Result(name, kind, {"mIoU": 0.1}, {}, {}, {}) for name, kind in kinds.items()]
    summary = summary_of(params, tmp_path, results, ClassSet("two", ("a", "b"), ((0, 0, 0), (1, 1, 1))))
    found = {run["name"]: run["gain_interval"] for run in summary["runs"]}
    assert found["lse-1"] == pytest.approx([0.1, 0.1])  # two of ten pixels more in each image, of two classes
    assert found["source-only"] is None and found["lse-2"] is None, "itself; other images"
    assert summary["runs"][1]["init_interval"] == pytest.approx([0.1, 0.1]), "lse-1 began with source-only"
    assert all(run["control_interval"] is None for run in summary["runs"])
    foreground = ClassSet("two", ("a", "b"), ((0, 0, 0), (1, 1, 1)), foreground="a")
    evaluate = params.evaluate.model_copy(update={"headline": "IoU a"})
    params = params.model_copy(update={"evaluate": evaluate})
    summary = summary_of(params, tmp_path, results, foreground)
    assert summary["runs"][1]["gain_interval"] == pytest.approx([0.2, 0.2])
