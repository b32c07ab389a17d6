"""What names and shapes do not say and the numbers do: how the input was scaled, and how many branches trained.

# O output channel, I input channel, k kernel side, P position in the kernel
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from pipeline.models.base import CLASSIFIER_INIT_STD

# Neighbouring pixels of photographs agree thus much, and so do their channels. A rough model is enough: the families of
# preprocessing lie a factor of 60 apart.
PIXEL_CORRELATION, CHANNEL_CORRELATION = 0.95, 0.9
BYTES_FROM = 8.0
"""Inputs are about ±1 where they were divided by a standard deviation, ±60 where they are bytes less a mean."""
ASPP_BRANCHES = 4
# The standard deviation of 350 000 weights from N(0, 0.01) is within this share of 0.01 but once in millions; a trained
# branch has decayed by several percent.
UNTRAINED_WITHIN = 0.006


def input_spread(weight_OIkk: Tensor, variance_O: Tensor) -> float | None:
    """Return the standard deviation of the inputs that a network has seen; None without statistics.

    The variance of a first convolution's outputs, which the normalisation after it has stored, is that of its inputs
    times what the kernel makes of a photograph of variance 1.

    Args:
        weight_OIkk: the kernels of the first convolution.
        variance_O: the running variance after it.
    """
    if bool((variance_O == 1).all()):
        return None
    weight_OIkk, variance_O = weight_OIkk.double(), variance_O.double()
    channels, side = weight_OIkk.shape[1], weight_OIkk.shape[2]
    offset_P2 = torch.cartesian_prod(torch.arange(side), torch.arange(side)).reshape(-1, 2).double()
    pixel_PP = PIXEL_CORRELATION ** torch.cdist(offset_P2, offset_P2)
    channel_II = torch.full((channels, channels), CHANNEL_CORRELATION, dtype=torch.float64).fill_diagonal_(1.0)
    flat_OIP = weight_OIkk.flatten(2)
    expected_O = torch.einsum("oip,ij,pq,ojq->o", flat_OIP, channel_II, pixel_PP, flat_OIP)
    alive_O = (expected_O > 0) & (variance_O > 1e-8)
    if not bool(alive_O.any()):
        return None
    return math.sqrt(float((variance_O[alive_O] / expected_O[alive_O]).median()))


def reads_bytes(tensors: Mapping[str, Tensor], first: str, statistics: str) -> tuple[bool, float] | None:
    """Return whether a network reads bytes less a mean, not inputs divided by a standard deviation, and the spread."""
    if first not in tensors or f"{statistics}.running_var" not in tensors:
        return None
    spread = input_spread(tensors[first], tensors[f"{statistics}.running_var"])
    return None if spread is None else (spread > BYTES_FROM, spread)


def aspp_branches(tensors: Mapping[str, Tensor], head: str) -> int:
    """Return how many branches of an ASPP head are summed: 2 where the last two still are as they were drawn, else 4.

    The released AdaptSegNet and LSE code returns inside its loop, so that the last two of its four branches never get a
    gradient: their weights stay N(0, 0.01).
    """
    drawn = [_as_drawn(tensors[f"{head}.conv2d_list.{branch}.weight"]) for branch in range(ASPP_BRANCHES)]
    return 2 if drawn == [False, False, True, True] else ASPP_BRANCHES


def _as_drawn(weight_OIkk: Tensor) -> bool:
    values = weight_OIkk.double()
    spread = float(values.std())
    centred = abs(float(values.mean())) < 6 * CLASSIFIER_INIT_STD / math.sqrt(values.numel())
    # Of a normal distribution the mean of fourth powers is 3 spread^4; a trained layer has heavier tails.
    tails = float((values**4).mean()) / max(spread, 1e-12) ** 4
    return centred and abs(spread / CLASSIFIER_INIT_STD - 1) < UNTRAINED_WITHIN and abs(tails - 3) < 0.1
