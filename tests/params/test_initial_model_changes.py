"""initial_models.NAME.pretrain: what an initial model changes of the section pretrain."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline.common.flat import flat
from pipeline.params import Params, ParamsError, explained_changes, json_schema, read_params

Write = Callable[[dict[str, Any]], Path]


@pytest.fixture
def with_control(tiny_params: dict[str, Any]) -> Callable[..., dict[str, Any]]:
    """The params with the initial model `control`, which changes pretrain so."""

    def control(changes: Any, **entry: Any) -> dict[str, Any]:
        tiny_params["initial_models"]["control"] = {"supervision": "source", "pretrain": changes, **entry}
        return tiny_params

    return control


def problems_of(path: Path) -> list[str]:
    with pytest.raises(ParamsError) as caught:
        read_params(path)
    return caught.value.problems


def test_only_the_named_keys_differ_from_the_section(with_control: Callable[..., dict[str, Any]]) -> None:
    change = {"steps": 560, "optimiser": {"learning_rate": 2e-3}}
    params = Params.model_validate(with_control(change))
    section, own = (flat(one.model_dump(mode="json")) for one in (params.pretrain, params.pretrain_of("control")))
    assert {key: value for key, value in own.items() if value != section[key]} == flat(change)
    assert own.keys() == section.keys()
    assert params.pretrain_of("source-only") == params.pretrain


def test_one_budget_replaces_the_other(with_control: Callable[..., dict[str, Any]], write_params: Write) -> None:
    own = read_params(write_params(with_control({"epochs": 3}))).pretrain_of("control")
    assert (own.steps, own.epochs) == (None, 3.0)


def test_problems_of_both_tables_come_at_once_with_their_places(
    with_control: Callable[..., dict[str, Any]], write_params: Write
) -> None:
    params = with_control({"stpes": 5, "optimiser": {"name": "sdg"}}, alignment="minent")
    params["rounds"]["lse-1"]["adapt"] = {"source_bacth": 5}
    problems = problems_of(write_params(params))
    assert [problem.split(": ")[0] for problem in problems] == [
        "initial_models.control.pretrain.optimiser.name",
        "initial_models.control.pretrain.stpes",
        "rounds.lse-1.adapt.source_bacth",
    ]
    assert problems[1].endswith("unknown key; did you mean 'steps'?")


def test_pretrain_knows_no_key_of_adapt(with_control: Callable[..., dict[str, Any]], write_params: Write) -> None:
    (problem,) = problems_of(write_params(with_control({"source_batch": 2})))
    assert problem.startswith("initial_models.control.pretrain.source_batch: unknown key")


def test_a_checkpoint_is_not_trained_otherwise(
    with_control: Callable[..., dict[str, Any]], write_params: Write
) -> None:
    assert problems_of(write_params(with_control({"steps": 5}, weights="theirs.pt"))) == [
        "initial_models.control: weights: this checkpoint is taken as it is, so pretrain changes nothing; leave one out"
    ]
    read_params(write_params(with_control({}, weights="theirs.pt")))


def test_digits_are_not_mirrored_by_an_initial_model_either(
    with_control: Callable[..., dict[str, Any]], write_params: Write
) -> None:
    params = with_control({"augmentation": {"flip": True}})
    params["classes"] = "digits-10"
    for section in ("pretrain", "adapt"):
        params[section]["augmentation"] = {"flip": False}
    flips = [problem for problem in problems_of(write_params(params)) if "flip" in problem]
    assert flips == ["initial_models.control.pretrain.augmentation.flip: a mirrored digit is none; say false"]


def test_each_change_is_explained_before_those_of_the_rounds(with_control: Callable[..., dict[str, Any]]) -> None:
    params = with_control({"steps": 560, "gradient_clip": 5})
    params["rounds"]["lse-2"]["adapt"] = {"batch": 8}
    assert explained_changes(Params.model_validate(params)) == [
        "initial_models control: pretrain.steps 560 (the section says 2)",
        "initial_models control: pretrain.gradient_clip 5 (the default is none)",
        "rounds lse-2: adapt.batch 8 (the section says 2)",
    ]


def test_what_is_written_down_of_an_initial_model_has_its_changes_and_nothing_without(
    with_control: Callable[..., dict[str, Any]],
) -> None:
    dumped = Params.model_validate(with_control({"steps": 560})).model_dump(mode="json")["initial_models"]
    assert dumped["control"]["pretrain"] == {"steps": 560}
    assert dumped["source-only"] == {"supervision": "source", "alignment": "none", "weights": None}


def test_editors_know_the_keys_that_an_initial_model_may_change() -> None:
    definitions = json_schema()["$defs"]
    for name in ("PlainInitialModel", "StyleInitialModel"):
        assert definitions[name]["properties"]["pretrain"]["$ref"] == "#/$defs/Training"
    assert "required" not in definitions["Training"], "a change would have to name these keys"
