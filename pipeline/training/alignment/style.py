"""Style: statistics of feature channels over an image, and their distance between domains (CADA, Sec. 2.1)."""

# N batch, D feature channels, h/w pixels of a feature map

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from pipeline.training.distributed import mean_over_batch
from pipeline.training.forward import Outputs

# AdaIN's (Huang and Belongie, ICCV 2017): keeps the gradient of a constant channel finite.
_TINY = 1e-5


def channel_means(feature_NDhw: Tensor) -> Tensor:
    """Return global averages (N,1,D), the style of CADA, as its 1-D convolutions read it."""
    return feature_NDhw.float().mean(dim=(2, 3))[:, None]


def channel_means_and_deviations(feature_NDhw: Tensor) -> Tensor:
    """Return means and standard deviations (N,2D)."""
    feature_NDhw = feature_NDhw.float()
    variance_ND, mean_ND = torch.var_mean(feature_NDhw, dim=(2, 3), correction=0)
    return torch.cat([mean_ND, (variance_ND + _TINY).sqrt()], dim=1)


def gram_matrix(feature_NDhw: Tensor) -> Tensor:
    """Return correlations of channels F·Fᵀ / hw, (N,D,D) (Gatys et al., CVPR 2016, by the number of pixels)."""
    with torch.autocast(feature_NDhw.device.type, enabled=False):
        flat_NDp = feature_NDhw.float().flatten(2)
        return flat_NDp @ flat_NDp.transpose(1, 2) / flat_NDp.shape[2]


@dataclass(frozen=True)
class MatchedStatistic:
    """Squared distance of a statistic of one front block between the domains (the rivals in CADA's Table 3)."""

    block: int
    statistic: Callable[[Tensor], Tensor]
    weight: float

    def generator_loss(self, first: Outputs, second: Outputs) -> Tensor:
        """Return λ times the mean squared error between the batch means; that of the labelled images is the goal."""
        assert first.front is not None
        assert second.front is not None
        goal = mean_over_batch(self.statistic(first.front[self.block]))
        return self.weight * functional.mse_loss(mean_over_batch(self.statistic(second.front[self.block])), goal)
