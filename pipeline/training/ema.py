"""The exponential moving average of a network's weights, beside its training.

While the step is below 1 / (1 - decay) it is the plain mean of the networks after every step so far, as in the code of
DACS: ``alpha = min(1 - 1 / (step + 1), decay)`` after the optimiser's step, so the first update copies.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, ClassVar, Generic, TypeVar

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from pipeline.params.training import Decay

Network = TypeVar("Network", bound=nn.Module)


def decay_of(ema: Decay, steps: int, *, teaches: bool = False) -> float | None:
    """Return the decay that a training section asks for, of a training of so many steps; None keeps no average.

    "auto" averages over the last tenth of the steps, but over 50 at least: in a round of 100 steps, decays of 0.99 and
    0.999 are both the plain mean of all steps. An average that ``teaches`` is always kept, and "auto" averages over
    half of the steps: a faster teacher follows its own mistakes (docs/results.md).
    """
    if ema == "auto" or (teaches and ema == "none"):
        return 1 - 1 / max(50, (0.5 if teaches else 0.1) * steps)
    return None if ema == "none" else float(ema)


class Ema(Generic[Network]):
    """A network whose weights are the average of those that another one has had after its steps.

    Make it from a network that is on its device, with its normalisation set and shared: ``model`` copies all that. It
    is in evaluation mode, without dropout, and not trained. Its batch norms normalise by the running statistics of the
    network in training. Each of several processes keeps the same average, because their networks are equal.

    Attributes:
        model: the average.
        decay: the largest share of the old average that an update keeps, in (0,1).
        is_result: whether the training's result is the average, and not the network in training.
    """

    is_result: ClassVar[bool] = True

    def __init__(self, model: Network, decay: float) -> None:
        assert 0 < decay < 1
        self.model = copy.deepcopy(model).requires_grad_(False).eval()
        self.decay = decay

    @torch.no_grad()
    def update(self, model: Network, step: int) -> None:
        """Take in the network as it is after the optimiser's step number ``step``, counted from 0.

        Parameters are averaged. Buffers are copied: running statistics are an average already, by the momentum of their
        layer, and a counter cannot be averaged. They are statistics of the network's late steps, not of the average's
        own features. The code of DACS and DAFormer leaves buffers alone; its teacher stays in training mode instead and
        normalises by the batch that it labels. So an image's pseudo-labels would depend on the images beside it, and a
        saved average that never saw a batch would hold the statistics of the start.
        """
        share = max(1 / (step + 1), 1 - self.decay)
        torch._foreach_lerp_(list(self.model.parameters()), list(model.parameters()), share)
        for dtype in {buffer.dtype for buffer in model.buffers()}:  # those of one type are copied at once
            torch._foreach_copy_(_buffers(self.model, dtype), _buffers(model, dtype))

    def state_dict(self) -> dict[str, Tensor]:
        """Return the average; with the step, on which the updates depend, it is all that a resumed run needs."""
        return self.model.state_dict()

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Set the average.

        Raises:
            RuntimeError: ``state`` is of another network.
        """
        self.model.load_state_dict(state)


def _buffers(model: nn.Module, dtype: torch.dtype) -> list[Tensor]:
    return [buffer for buffer in model.buffers() if buffer.dtype == dtype]
