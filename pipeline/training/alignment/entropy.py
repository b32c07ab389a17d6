"""Self-information of predictions, and its mean, the entropy (ADVENT: Vu et al., CVPR 2019)."""

# N batch, C class, H/W pixels

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from pipeline.training.distributed import mean
from pipeline.training.forward import Level, Outputs

# So that log2 has a value where a probability is 0; the released code's.
_TINY = 1e-30


def self_information(prob_NCHW: Tensor) -> Tensor:
    """Return -p · log2(p + 1e-30) / log2(C), which ADVENT's discriminator sees as weighted self-information.

    The sum over the classes of a pixel is its normalised entropy, in [0,1].
    """
    return -prob_NCHW * torch.log2(prob_NCHW + _TINY) / math.log2(prob_NCHW.shape[1])


def mean_entropy(prob_NCHW: Tensor) -> Tensor:
    """Return the mean normalised entropy of the pixels, in [0,1] (ADVENT Eq. 3; the released code takes the mean)."""
    return mean(self_information(prob_NCHW).sum(dim=1))


@dataclass(frozen=True)
class EntropyMinimisation:
    """MinEnt: predictions on the unlabelled images should be certain; there is no discriminator."""

    level: Level
    weight: float

    def generator_loss(self, first: Outputs, second: Outputs) -> Tensor:
        """Return the weighted mean entropy of the unlabelled images."""
        return self.weight * mean_entropy(second.prob(self.level))
