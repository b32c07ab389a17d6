"""A discriminator tells two domains apart, and the network learns to deceive it (Goodfellow et al., NIPS 2014).

# N batch, h/w scores
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from pipeline.training.distributed import mean
from pipeline.training.forward import Outputs

Gan = Literal["vanilla", "ls"]

# What a discriminator should say of the labelled and of the unlabelled images, as in the released codes.
FIRST, SECOND = 0.0, 1.0


def domain_loss(score_N1hw: Tensor, domain: float, gan: Gan) -> Tensor:
    """How far the scores are from a domain: binary cross entropy of logits, or (``ls``) squared error; mean."""
    score_N1hw = score_N1hw.float()
    wanted_N1hw = torch.full_like(score_N1hw, domain)
    if gan == "ls":
        return mean(functional.mse_loss(score_N1hw, wanted_N1hw, reduction="none"))
    return mean(functional.binary_cross_entropy_with_logits(score_N1hw, wanted_N1hw, reduction="none"))


@dataclass(frozen=True)
class Adversarial:
    """One discriminator: what it reads of the images, and the weight λ of deceiving it.

    Parameters of the discriminator take part in the graph only while they require gradients: Alignment sees to it.
    """

    weight: float
    read: Callable[[Outputs], Tensor]
    discriminator: nn.Module
    gan: Gan

    def generator_loss(self, first: Outputs, second: Outputs) -> Tensor:
        """The unlabelled images should look like labelled ones: λ times their distance from that domain."""
        return self.weight * domain_loss(self.discriminator(self.read(second)), FIRST, self.gan)

    def discriminator_loss(self, first: Outputs, second: Outputs) -> Tensor:
        """Each domain should be recognised; the mean of both."""
        of_first = domain_loss(self.discriminator(self.read(first)), FIRST, self.gan)
        of_second = domain_loss(self.discriminator(self.read(second)), SECOND, self.gan)
        return (of_first + of_second) / 2
