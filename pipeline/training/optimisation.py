"""Optimisers and learning-rate schedules."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from pipeline.params import Optimiser, Schedule


def make_optimiser(
    groups: dict[str, list[torch.nn.Parameter]], settings: Optimiser, norms: frozenset[int] = frozenset()
) -> torch.optim.Optimizer:
    """Return an optimiser over named parameter groups; each group keeps its own rate as ``base_rate``.

    Groups whose name begins with ``head`` learn at ``head_factor`` times the rate, those that end in ``bias`` at
    ``bias_factor`` times. With ``no_decay: norm`` the parameters whose `id` is in ``norms`` are not decayed; they are a
    group of their own at the rate of the one from which they come.
    """
    options: list[dict[str, Any]] = []
    norms = norms if settings.no_decay == "norm" else frozenset()
    for name, all_parameters in groups.items():
        for spared in (False, True):
            parameters = [parameter for parameter in all_parameters if (id(parameter) in norms) == spared]
            if not parameters:
                continue
            rate = settings.learning_rate
            rate *= settings.head_factor if name.startswith("head") else 1.0
            rate *= settings.bias_factor if name.endswith("bias") else 1.0
            decay = {"weight_decay": 0.0} if spared else {}
            options.append({"params": parameters, "lr": rate, "base_rate": rate, **decay})
    if settings.name == "sgd":
        return torch.optim.SGD(options, momentum=settings.momentum, weight_decay=settings.weight_decay)
    adam = torch.optim.AdamW if settings.name == "adamw" else torch.optim.Adam
    return adam(options, betas=settings.betas, weight_decay=settings.weight_decay)


def make_adam(
    parameters: Iterable[torch.nn.Parameter], learning_rate: float, betas: tuple[float, float]
) -> torch.optim.Optimizer:
    """Return Adam over one group with a ``base_rate``, for discriminators."""
    return torch.optim.Adam(
        [{"params": list(parameters), "lr": learning_rate, "base_rate": learning_rate}], betas=betas
    )


def rate_factor(settings: Schedule, step: int, steps: int) -> float:
    """Return the factor of the base rates at a step (from 0): a pure function, so there is no state to resume.

    ``poly``: 1 for the share ``hold`` of the steps, then (1 - step/total)^power, both counted from there; ``step``:
    0.1^(step // every); ``exponential``: 0.1^(step / every); ``warmup``: linear over the first steps, before.
    """
    warm = min(1.0, (step + 1) / settings.warmup) if settings.warmup else 1.0
    if settings.name == "constant":
        return warm
    if settings.name == "step":
        return float(warm * 0.1 ** (step // settings.every))
    if settings.name == "exponential":
        return float(warm * 0.1 ** (step / settings.every))
    total = settings.total or steps
    held = settings.hold * total
    return float(warm * max(0.0, 1 - max(0.0, step - held) / (total - held)) ** settings.power)


def set_rates(optimiser: torch.optim.Optimizer, factor: float) -> None:
    """Set every group's rate to its base rate times the factor."""
    for group in optimiser.param_groups:
        group["lr"] = group["base_rate"] * factor
