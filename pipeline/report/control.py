"""The control of a round: the same initial model, trained for as many steps as the round's chain.

A round that does not beat it has earned nothing that more training on the source would not.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

from ruamel.yaml import YAML

if TYPE_CHECKING:
    from pipeline.params import Params


def control_of(params: Params, name: str) -> str | None:
    """Return the initial model that is a round's control: the shortest that is long enough; None without one.

    It learns from the same images, aligned alike, for at least the steps of the chain's initial model and of its rounds
    up to this one. Trainings whose length is in epochs have none.
    """
    run, needed = _chain(params, name)
    if needed is None:
        return None
    kind = _kind(params, run)
    steps = {
        other: params.pretrain_of(other).steps or 0
        for other in params.initial_models
        if other != run and _kind(params, other) == kind
    }
    long_enough = [other for other, count in steps.items() if count >= needed]
    return min(long_enough, key=steps.__getitem__, default=None)


def control_to_add(params: Params, name: str) -> str | None:
    """Return the line that gives a round its control in ``initial_models``; None where one is there or cannot be."""
    run, needed = _chain(params, name)
    if needed is None or control_of(params, name) is not None:
        return None
    entry = params.initial_models[run].model_dump(mode="json", exclude_unset=True)
    changes = {key: value for key, value in (entry.get("pretrain") or {}).items() if key not in ("steps", "epochs")}
    text = io.StringIO()
    yaml = YAML(typ="safe")
    yaml.default_flow_style, yaml.width = True, 1000
    yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment]
    yaml.dump({_free_name(params): entry | {"pretrain": {**changes, "steps": needed}}}, text)
    return text.getvalue().strip().removeprefix("{").removesuffix("}")


def _free_name(params: Params) -> str:
    taken = {*params.initial_models, *params.rounds, *params.translations}
    names = ("control", *(f"control-{number}" for number in range(2, len(taken) + 3)))
    return next(name for name in names if name not in taken)


def _chain(params: Params, name: str) -> tuple[str, int | None]:
    """Return the initial model of a round's chain, and the steps of both; None for lengths in epochs."""
    lengths: list[int | None] = []
    run = name
    while run in params.rounds:
        lengths.append(params.adapt_of(run).steps)
        run = params.rounds[run].init
    lengths.append(params.pretrain_of(run).steps)
    known = [length for length in lengths if length is not None]
    return run, sum(known) if len(known) == len(lengths) else None


def _kind(params: Params, initial: str) -> dict[str, Any]:
    return params.initial_models[initial].model_dump(exclude={"pretrain"})
