"""Networks from the golden files, which keep a state dict as one vector."""

from __future__ import annotations

from typing import TypeVar

import torch
from torch import Tensor, nn

Network = TypeVar("Network", bound=nn.Module)


def filled(model: Network, vector: Tensor) -> Network:
    """The network with this vector as its state dict, tensors in their order."""
    state = model.state_dict()
    parts = vector.split([tensor.numel() for tensor in state.values()])
    model.load_state_dict({key: part.view_as(state[key]) for key, part in zip(state, parts, strict=True)})
    return model


def vector_of(model: nn.Module) -> Tensor:
    """The state dict as a vector."""
    return torch.cat([tensor.flatten().float() for tensor in model.state_dict().values()])
