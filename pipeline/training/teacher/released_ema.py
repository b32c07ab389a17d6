"""The teacher as the released code of DAFormer and MIC keeps it, for `compat: author`."""

from __future__ import annotations

import torch

from pipeline.models.base import SegmentationModel
from pipeline.training.ema import Ema


class ReleasedEma(Ema[SegmentationModel]):
    """An average of parameters alone, which normalises by the batches that it labels.

    Its buffers are never set: its batch norms keep running statistics of their own, of the target. Frozen normalisation
    stays frozen, and dropout is off. The network in training is the result, as the authors evaluate it.
    """

    is_result = False

    def __init__(self, model: SegmentationModel, decay: float) -> None:
        super().__init__(model, decay)
        if model.normalisation != "frozen":
            for layer in self.model.normalisation_layers():
                layer.train()

    @torch.no_grad()
    def update(self, model: SegmentationModel, step: int) -> None:
        """Take in the parameters after the optimiser's step number ``step``, counted from 0.

        The released code updates at the beginning of iteration t = step + 1 and keeps the share min(1 - 1/(t + 1),
        decay) of the average. At t = 0 it copies the network, which the average begins as.
        """
        share = max(1 / (step + 2), 1 - self.decay)
        torch._foreach_lerp_(list(self.model.parameters()), list(model.parameters()), share)
