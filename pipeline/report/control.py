"""The control of a round: the same initial model, trained for as many steps as the round's chain.

A round that does not beat it has earned nothing that more training on the source would not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pipeline.params import Params


def control_of(params: Params, name: str) -> str | None:
    """Return the initial model that is a round's control: the shortest that is long enough; None without one.

    It learns from the same images, aligned alike, for at least the steps of the chain's initial model and of its rounds
    up to this one. Trainings whose length is in epochs have none.
    """
    lengths: list[int | None] = []
    run = name
    while run in params.rounds:
        lengths.append(params.adapt_of(run).steps)
        run = params.rounds[run].init
    lengths.append(params.pretrain_of(run).steps)
    known = [length for length in lengths if length is not None]
    if len(known) < len(lengths):
        return None
    needed, kind = sum(known), _kind(params, run)
    steps = {
        other: params.pretrain_of(other).steps or 0
        for other in params.initial_models
        if other != run and _kind(params, other) == kind
    }
    long_enough = [other for other, count in steps.items() if count >= needed]
    return min(long_enough, key=steps.__getitem__, default=None)


def _kind(params: Params, initial: str) -> dict[str, Any]:
    return params.initial_models[initial].model_dump(exclude={"pretrain"})
