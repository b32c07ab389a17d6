"""rounds.NAME.adapt: what a round changes of the section adapt."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from pipeline.cli import app
from pipeline.common.flat import flat
from pipeline.params import Params, ParamsError, explained_changes, json_schema, read_params
from pipeline.params.changes import with_changes

Write = Callable[[dict[str, Any]], Path]

SECTION = {
    "steps": 60,
    "batch": 4,
    "source_batch": 3,
    "optimiser": {"name": "sgd", "learning_rate": 3e-4, "momentum": 0.5},
    "schedule": {"name": "poly", "warmup": 5},
    "augmentation": {"scale": [0.5, 2.0]},
}


@pytest.fixture
def with_change(tiny_params: dict[str, Any]) -> Callable[..., dict[str, Any]]:
    """The params with a section of many values, and a change of lse-2."""

    def change(adapt: Any, **section: Any) -> dict[str, Any]:
        tiny_params["adapt"] = section or SECTION
        tiny_params["rounds"]["lse-2"]["adapt"] = adapt
        return tiny_params

    return change


def problems_of(path: Path) -> list[str]:
    with pytest.raises(ParamsError) as caught:
        read_params(path)
    return caught.value.problems


def test_only_the_named_keys_differ_from_the_section_at_any_depth(with_change: Callable[..., dict[str, Any]]) -> None:
    change = {"steps": 400, "optimiser": {"learning_rate": 2e-4}, "augmentation": {"colour": 0.3}}
    params = Params.model_validate(with_change(change))
    section, own = (flat(adapt.model_dump(mode="json")) for adapt in (params.adapt, params.adapt_of("lse-2")))
    assert {key: value for key, value in own.items() if value != section[key]} == flat(change)
    assert own.keys() == section.keys()


def test_a_round_without_changes_trains_as_the_section_says(with_change: Callable[..., dict[str, Any]]) -> None:
    params = Params.model_validate(with_change({"steps": 5}))
    assert params.adapt_of("lse-1") == params.adapt
    assert params.adapt.steps == 60


@pytest.mark.parametrize(
    ("section", "change", "budget"),
    [
        ({"steps": 60}, {"epochs": 2.5}, (None, 2.5)),
        ({"epochs": 3}, {"steps": 7}, (7, None)),
        ({"steps": 60, "epochs": None}, {"epochs": 2}, (None, 2.0)),
        ({"epochs": 3}, {"batch": 2}, (None, 3.0)),
        ({"steps": 60}, {"steps": None, "epochs": 1}, (None, 1.0)),
    ],
)
def test_one_budget_replaces_the_other(
    with_change: Callable[..., dict[str, Any]], write_params: Write, section: dict, change: dict, budget: tuple
) -> None:
    own = read_params(write_params(with_change(change, **section))).adapt_of("lse-2")
    assert (own.steps, own.epochs) == budget


def test_merging_changes_neither_of_both() -> None:
    section, change = {"steps": 1, "a": {"b": 1, "c": 2}}, {"epochs": 2, "a": {"b": 3}, "d": {"e": 4}}
    assert with_changes(section, change) == {"epochs": 2, "a": {"b": 3, "c": 2}, "d": {"e": 4}}
    assert section == {"steps": 1, "a": {"b": 1, "c": 2}}
    assert change == {"epochs": 2, "a": {"b": 3}, "d": {"e": 4}}


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"stpes": 5}, "stpes: unknown key; did you mean 'steps'?"),
        ({"optimiser": {"learning_rte": 1.0}}, "optimiser.learning_rte: unknown key; did you mean 'learning_rate'?"),
        ({"optimiser": {"name": "sdg"}}, "optimiser.name: should be 'adam', 'adamw' or 'sgd' (it is 'sdg'); did you"),
        ({"batch": 0}, "batch: should be greater than or equal to 1 (it is 0)"),
        ({"augmentation": {"scale": [2.0, 0.5]}}, "augmentation.scale: goes from small to large: [0.5, 2.0]"),
        ({"augmentation": None}, "augmentation: should be a valid dictionary"),
        ({"optimiser": {1: 2}}, "optimiser.1: Keys should be strings"),
        ({1: 2}, "1: Keys should be strings"),
    ],
)
def test_a_change_that_cannot_be_is_refused_with_its_place(
    with_change: Callable[..., dict[str, Any]], write_params: Write, change: dict, problem: str
) -> None:
    (only,) = problems_of(write_params(with_change(change)))
    assert only.startswith(f"rounds.lse-2.adapt.{problem}")


@pytest.mark.parametrize("change", [{"steps": 3, "epochs": 2}, {"steps": None}])
def test_a_round_has_one_budget(
    with_change: Callable[..., dict[str, Any]], write_params: Write, change: dict[str, Any]
) -> None:
    assert problems_of(write_params(with_change(change))) == ["rounds.lse-2.adapt: give either steps or epochs"]


@pytest.mark.parametrize("change", [3, None, [1]])
def test_changes_are_a_mapping(with_change: Callable[..., dict[str, Any]], write_params: Write, change: object) -> None:
    (problem,) = problems_of(write_params(with_change(change)))
    assert problem.startswith("rounds.lse-2.adapt: should be a valid dictionary")


def test_all_problems_come_at_once_and_those_of_the_section_once(
    with_change: Callable[..., dict[str, Any]], write_params: Write
) -> None:
    params = with_change({"steps": 0, "optimiser": {"name": "sdg"}}, steps=5, batch=0)
    params["rounds"]["lse-1"]["adapt"] = {"bacth": 2}
    del params["model"]
    assert [problem.split(": ")[0] for problem in problems_of(write_params(params))] == [
        "model", "adapt.batch", "rounds.lse-1.adapt.bacth", "rounds.lse-2.adapt.steps",
        "rounds.lse-2.adapt.optimiser.name",
    ]  # fmt: skip


def test_a_section_without_budget_is_no_problem_of_the_round_that_has_one(
    with_change: Callable[..., dict[str, Any]], write_params: Write
) -> None:
    assert problems_of(write_params(with_change({"steps": 5}, batch=4))) == ["adapt: give either steps or epochs"]


def test_digits_are_not_mirrored_by_a_round_either(
    with_change: Callable[..., dict[str, Any]], write_params: Write
) -> None:
    params = with_change({"augmentation": {"flip": True}}, steps=1, augmentation={"flip": False})
    params["rounds"]["lse-1"]["adapt"] = {"augmentation": {"colour": 0.1}}
    params["classes"] = "digits-10"
    problems = problems_of(write_params(params))
    flips = [problem for problem in problems if "adapt" in problem]
    assert flips == ["rounds.lse-2.adapt.augmentation.flip: a mirrored digit is none; say false"]


def test_each_change_is_explained_beside_what_the_section_says(with_change: Callable[..., dict[str, Any]]) -> None:
    change = {
        "epochs": 2,
        "batch": 8,
        "optimiser": {"learning_rate": 2e-4, "name": "adam"},
        "gradient_clip": 5,
        "augmentation": {"scale": [1.0, 1.5], "flip": False},
    }
    assert explained_changes(Params.model_validate(with_change(change))) == [
        "rounds lse-2: adapt.epochs 2 (the section says steps 60)",
        "rounds lse-2: adapt.batch 8 (the section says 4)",
        "rounds lse-2: adapt.optimiser.learning_rate 0.0002 (the section says 0.0003)",
        "rounds lse-2: adapt.optimiser.name adam (the section says sgd)",
        "rounds lse-2: adapt.gradient_clip 5 (the default is none)",
        "rounds lse-2: adapt.augmentation.scale [1.0, 1.5] (the section says [0.5, 2.0])",
        "rounds lse-2: adapt.augmentation.flip false (the default is true)",
    ]


def test_check_prints_the_changes(
    with_change: Callable[..., dict[str, Any]], write_params: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(write_params(with_change({"steps": 120})).parent)
    answer = CliRunner().invoke(app, ["check"])
    assert answer.exit_code == 0, answer.output
    assert answer.output.splitlines() == [
        "rounds lse-2: adapt.steps 120 (the section says 60)",
        "params.yaml is fine: 2 initial models, 2 rounds",
    ]


def test_what_is_written_down_of_a_round_has_its_changes_and_nothing_without(
    with_change: Callable[..., dict[str, Any]],
) -> None:
    """The report's list of params, and what it compares with presets."""
    dumped = Params.model_validate(with_change({"optimiser": {"learning_rate": 1.0}})).model_dump(mode="json")
    assert flat(dumped["rounds"])["lse-2.adapt.optimiser.learning_rate"] == 1.0
    assert dumped["rounds"]["lse-1"] == {"method": "lse", "init": "source-only", "portion": 0.5, "guard": False}


def test_editors_know_the_keys_that_a_round_may_change() -> None:
    definitions = json_schema()["$defs"]
    assert definitions["CadaRound"]["properties"]["adapt"]["$ref"] == "#/$defs/Adapt"
    assert "required" not in definitions["Adapt"], "a change would have to name these keys"
