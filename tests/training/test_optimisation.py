"""Learning rates by hand."""

from __future__ import annotations

import pytest
import torch

from pipeline.params import Optimiser, Schedule
from pipeline.training.optimisation import make_adam, make_optimiser, rate_factor, set_rates


def groups() -> dict[str, list[torch.nn.Parameter]]:
    names = ("encoder", "head", "encoder_bias", "head_bias")
    return {name: [torch.nn.Parameter(torch.ones(1))] for name in names}


def test_each_group_has_its_own_rate() -> None:
    optimiser = make_optimiser(groups(), Optimiser(learning_rate=0.1, head_factor=10, bias_factor=2))
    assert [group["lr"] for group in optimiser.param_groups] == pytest.approx([0.1, 1.0, 0.2, 2.0])


def test_named_norms_are_not_decayed_and_keep_their_rate() -> None:
    given = groups()
    norms = frozenset({id(given["head"][0])})
    settings = Optimiser(learning_rate=0.1, head_factor=10, weight_decay=0.5, no_decay="norm")
    decays = [(group["lr"], group["weight_decay"]) for group in make_optimiser(given, settings, norms).param_groups]
    assert decays == [(0.1, 0.5), (1.0, 0.0), (0.1, 0.5), (1.0, 0.5)]
    decayed = make_optimiser(given, settings.model_copy(update={"no_decay": "none"}), norms)
    assert {group["weight_decay"] for group in decayed.param_groups} == {0.5}


def test_an_empty_group_is_left_out() -> None:
    given = groups() | {"encoder": []}
    assert len(make_optimiser(given, Optimiser()).param_groups) == 3


@pytest.mark.parametrize(
    ("name", "kind"), [("sgd", torch.optim.SGD), ("adam", torch.optim.Adam), ("adamw", torch.optim.AdamW)]
)
def test_the_optimiser_is_the_one_asked_for_with_its_settings(name: str, kind: type) -> None:
    settings = Optimiser.model_validate({"name": name, "momentum": 0.7, "betas": (0.5, 0.6), "weight_decay": 0.03})
    optimiser = make_optimiser(groups(), settings)
    assert type(optimiser) is kind
    for group in optimiser.param_groups:
        assert group["weight_decay"] == 0.03
        assert group.get("momentum", 0.7) == 0.7
        assert group.get("betas", (0.5, 0.6)) == (0.5, 0.6)


def test_adam_over_one_group_remembers_its_base_rate() -> None:
    parameters = [torch.nn.Parameter(torch.ones(1)) for _ in range(2)]
    optimiser = make_adam(iter(parameters), 0.02, (0.5, 0.6))
    (group,) = optimiser.param_groups
    assert type(optimiser) is torch.optim.Adam
    assert group["params"] == parameters
    assert (group["lr"], group["base_rate"], group["betas"]) == (0.02, 0.02, (0.5, 0.6))


def test_rates_are_set_from_the_base_and_do_not_pile_up() -> None:
    optimiser = make_optimiser(groups(), Optimiser(learning_rate=0.1, head_factor=10))
    for factor in (0.5, 0.5, 0.25):
        set_rates(optimiser, factor)
    assert [group["lr"] for group in optimiser.param_groups] == pytest.approx([0.025, 0.25, 0.025, 0.25])


@pytest.mark.parametrize(
    ("schedule", "step", "expected"),
    [
        (Schedule(name="constant"), 0, 1.0),
        (Schedule(name="constant"), 99, 1.0),
        (Schedule(name="poly", power=0.9), 0, 1.0),
        (Schedule(name="poly", power=0.9), 50, 0.5**0.9),
        (Schedule(name="poly", power=2), 75, 0.0625),
        (Schedule(name="poly", power=1), 99, 0.01),
        (Schedule(name="poly", power=1, total=200), 50, 0.75),
        (Schedule(name="poly", power=1, total=10), 50, 0.0),
        (Schedule(name="poly", power=1, hold=0.5), 0, 1.0),
        (Schedule(name="poly", power=1, hold=0.5), 50, 1.0),
        (Schedule(name="poly", power=2, hold=0.5), 75, 0.25),
        (Schedule(name="poly", power=1, hold=0.5), 99, 0.02),
        (Schedule(name="poly", power=1, hold=0.2, total=200), 120, 0.5),
        (Schedule(name="step", every=30), 29, 1.0),
        (Schedule(name="step", every=30), 30, 0.1),
        (Schedule(name="step", every=30), 89, 0.01),
        (Schedule(name="exponential", every=50), 0, 1.0),
        (Schedule(name="exponential", every=50), 25, 0.1**0.5),
        (Schedule(name="exponential", every=50), 50, 0.1),
        (Schedule(name="exponential", every=50, warmup=100), 49, 0.5 * 0.1**0.98),
        (Schedule(name="constant", warmup=4), 0, 0.25),
        (Schedule(name="constant", warmup=4), 3, 1.0),
        (Schedule(name="constant", warmup=4), 4, 1.0),
        (Schedule(name="poly", power=1, warmup=20), 9, 0.5 * 0.91),
        (Schedule(name="step", every=2, warmup=4), 2, 0.75 * 0.1),
    ],
)
def test_the_rate_at_a_step_of_100(schedule: Schedule, step: int, expected: float) -> None:
    assert rate_factor(schedule, step, 100) == pytest.approx(expected)


def test_the_authors_poly_rate_at_advents_stop() -> None:
    rate = 2.5e-4 * rate_factor(Schedule(name="poly", power=0.9, total=250_000), 120_000, 120_000)
    assert rate == pytest.approx(1.388e-4, rel=1e-3)
