"""Adversarial alignment: a discriminator of two domains, and a network that learns to deceive it.

Goodfellow et al., "Generative Adversarial Nets", NIPS 2014.
"""

# N batch, h/w scores

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

# The discriminator's labels of the labelled and of the unlabelled images, as in the released codes.
FIRST, SECOND = 0.0, 1.0


def domain_loss(score_N1hw: Tensor, domain: float, gan: Gan) -> Tensor:
    """Return the mean loss of scores for a domain: binary cross entropy of logits, or (``ls``) squared error."""
    score_N1hw = score_N1hw.float()
    domain_N1hw = torch.full_like(score_N1hw, domain)
    if gan == "ls":
        return mean(functional.mse_loss(score_N1hw, domain_N1hw, reduction="none"))
    return mean(functional.binary_cross_entropy_with_logits(score_N1hw, domain_N1hw, reduction="none"))


@dataclass(frozen=True)
class Adversarial:
    """One discriminator: which of the network's outputs it reads, and the weight λ of deceiving it.

    Parameters of the discriminator take part in the graph only while they require gradients, which Alignment switches.
    """

    weight: float
    read: Callable[[Outputs], Tensor]
    discriminator: nn.Module
    gan: Gan

    def generator_loss(self, first: Outputs, second: Outputs) -> Tensor:
        """Return λ times the loss of the unlabelled images' scores for the domain of the labelled ones."""
        return self.weight * domain_loss(self.discriminator(self.read(second)), FIRST, self.gan)

    def discriminator_loss(self, first: Outputs, second: Outputs) -> Tensor:
        """Return the mean of both domains' losses."""
        of_first = domain_loss(self.discriminator(self.read(first)), FIRST, self.gan)
        of_second = domain_loss(self.discriminator(self.read(second)), SECOND, self.gan)
        return (of_first + of_second) / 2
