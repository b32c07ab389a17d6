"""Class quotas: a running quantile of the teacher's confidence, one for each class.

One threshold for all classes loses the classes of which the network is never sure: their share of the pseudo-labels
falls with every step. A quota trusts the same share of the pixels of every class, as CBST does offline (Zou et al.,
ECCV 2018).

# C class, B bins of confidence, H/W pixels
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from pipeline.common.labels import IGNORE
from pipeline.training.distributed import all_reduce_sum


class RunningQuantile(nn.Module):
    """The share of recent pixels by class and confidence, from which thresholds follow.

    ``histogram_CB`` counts in batches: a batch adds 1 over all classes and bins, and what is there shrinks by
    ``memory`` before. It begins with the cache's histogram at the weight of all batches that it would remember.
    """

    histogram_CB: Tensor

    def __init__(self, counts_CB: np.ndarray, memory: float) -> None:
        """Begin with counts (C,B) of pixels of the whole target, by the network with which the round begins."""
        super().__init__()
        self.memory = memory
        share_CB = torch.from_numpy(counts_CB).double() / max(1, int(counts_CB.sum()))
        self.register_buffer("histogram_CB", share_CB / (1 - memory))

    def add(self, label_NHW: Tensor, confidence_NHW: Tensor) -> None:
        """Add a batch of the teacher's labels and confidences; pixels labelled IGNORE do not count."""
        classes, bins = self.histogram_CB.shape
        bin_NHW = (confidence_NHW * bins).long().clamp(max=bins - 1)
        counted = (label_NHW.long() * bins + bin_NHW)[label_NHW != IGNORE]
        counts = torch.bincount(counted, minlength=classes * bins).view(classes, bins)
        counts = all_reduce_sum(counts.double())
        self.histogram_CB.mul_(self.memory).add_(counts / counts.sum().clamp(min=1))

    def thresholds(self, portion: float, largest: float) -> Tensor:
        """Return (C,) float64: the confidence that the surest ``portion`` of a class's pixels reach.

        It is at most ``largest``; a class that no pixel is labelled with has ``largest``.
        """
        above_CB = self.histogram_CB.flip(1).cumsum(1)
        total_C1 = above_CB[:, -1:]
        reached_C = (above_CB < total_C1 * portion).sum(dim=1)
        bins = self.histogram_CB.shape[1]
        quantile_C = (bins - 1 - reached_C.clamp(max=bins - 1)).double() / bins
        return torch.where(total_C1[:, 0] > 0, quantile_C.clamp(max=largest), largest)
