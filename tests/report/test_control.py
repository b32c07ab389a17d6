"""The control of a round: the same initial model, trained for at least as many steps as the round's chain."""

from __future__ import annotations

from typing import Any

from pipeline.params import Params
from pipeline.report.control import control_of


def params_of(tiny_params: dict[str, Any], **controls: dict[str, Any]) -> Params:
    """Two steps of pretraining, and two rounds of two steps, of which the second has three of its own."""
    tiny_params["rounds"]["lse-2"]["adapt"] = {"steps": 3}
    tiny_params["initial_models"] |= controls
    return Params.model_validate(tiny_params)


def test_the_shortest_that_is_long_enough_is_taken(tiny_params: dict[str, Any]) -> None:
    lengths = {"short": 6, "right": 7, "long": 20}
    controls = {name: {"supervision": "source", "pretrain": {"steps": steps}} for name, steps in lengths.items()}
    params = params_of(tiny_params, **controls)
    assert control_of(params, "lse-1") == "short"  # 2 + 2 steps
    assert control_of(params, "lse-2") == "right"  # 2 + 2 + 3 steps


def test_neither_the_initial_model_itself_nor_the_oracle_is_one(tiny_params: dict[str, Any]) -> None:
    tiny_params["initial_models"]["oracle"]["pretrain"] = {"steps": 50}
    assert control_of(params_of(tiny_params), "lse-2") is None


def test_a_length_in_epochs_has_none(tiny_params: dict[str, Any]) -> None:
    control = {"supervision": "source", "pretrain": {"steps": 50}}
    tiny_params["rounds"]["lse-1"]["adapt"] = {"epochs": 1.0}
    assert control_of(params_of(tiny_params, control=control), "lse-1") is None
