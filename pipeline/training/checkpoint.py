"""A training checkpoint: networks, their optimisers, average, step and random state, whole or absent.

Learning rates and batches are pure functions of the step (optimisation.py, batches.py): the step is their state.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor

from pipeline.common.errors import ReadableError
from pipeline.common.files import whole_file


class Resumed(NamedTuple):
    """How far a run is: finished steps, and the losses added up since the last point of the curves."""

    step: int
    sums: dict[str, Tensor]


class Stateful(Protocol):
    """What keeps values from step to step: an average of the weights, or a module of the objective."""

    def state_dict(self) -> dict[str, Any]:
        """Return the values."""

    def load_state_dict(self, state: dict[str, Any], /) -> Any:
        """Set the values."""


class AdversaryState(NamedTuple):
    """The network that is trained beside the model (discriminators), and its optimiser."""

    module: torch.nn.Module
    optimiser: torch.optim.Optimizer


def save_checkpoint(
    path: Path,
    model: torch.nn.Module,
    optimiser: torch.optim.Optimizer,
    step: int,
    sums: dict[str, Tensor] | None = None,
    adversary: AdversaryState | None = None,
    beside: Mapping[str, Stateful] | None = None,
) -> None:
    """Write the state after ``step`` finished steps; ``beside`` names what else is kept from step to step."""
    state = {
        "step": step,
        "sums": sums or {},
        "model": model.state_dict(),
        "optimiser": optimiser.state_dict(),
        "adversary": None
        if adversary is None
        else {"module": adversary.module.state_dict(), "optimiser": adversary.optimiser.state_dict()},
        "beside": {name: kept.state_dict() for name, kept in (beside or {}).items()},
        "random": torch.get_rng_state(),
        "random_cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
    }
    with whole_file(path) as temporary:
        torch.save(state, temporary)


def load_checkpoint(
    path: Path,
    model: torch.nn.Module,
    optimiser: torch.optim.Optimizer,
    adversary: AdversaryState | None = None,
    beside: Mapping[str, Stateful] | None = None,
) -> Resumed:
    """Restore what save_checkpoint wrote, and return how far the run is; step 0 if there is no checkpoint.

    Raises:
        ReadableError: the checkpoint is of a run that keeps other things beside its network.
    """
    if not path.exists():
        return Resumed(0, {})
    state = torch.load(path, map_location="cpu", weights_only=True)
    model.load_state_dict(state["model"])
    optimiser.load_state_dict(state["optimiser"])
    if adversary is not None:
        adversary.module.load_state_dict(state["adversary"]["module"])
        adversary.optimiser.load_state_dict(state["adversary"]["optimiser"])
    _restore(path, state.get("beside", {}), beside or {})
    torch.set_rng_state(state["random"])
    if state["random_cuda"] and torch.cuda.is_available():
        # the run may see fewer GPUs than the one that saved, and uses its first ones
        torch.cuda.set_rng_state_all(state["random_cuda"][: torch.cuda.device_count()])
    return Resumed(int(state["step"]), dict(state["sums"]))


def _restore(path: Path, saved: dict[str, dict[str, Any]], beside: Mapping[str, Stateful]) -> None:
    if saved.keys() != beside.keys():
        kept, expected = (", ".join(sorted(names)) or "nothing" for names in (saved, beside))
        raise ReadableError(
            f"{path}: keeps {kept} beside the network, and this run {expected}: it is of other settings or an older "
            "version; remove the file, and the training begins again"
        )
    for name, part in beside.items():
        part.load_state_dict(saved[name])
