"""BDL's semantic loss: a segmentation network's logits should stay the same under translation.

Li et al., "Bidirectional Learning for Domain Adaptation of Semantic Segmentation", CVPR 2019, Eq. 5; constants and the
normalisation of the logits are those of their code.
"""

# N batch, C class, H/W pixels, h/w network resolution

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from pipeline.models.base import SegmentationModel


class Semantics:
    """Frozen segmentation network; gradients pass through it to the generator."""

    def __init__(self, model: SegmentationModel) -> None:
        self._model = model.eval().requires_grad_(False)

    def of(self, image_N3HW: Tensor) -> Tensor:
        """Return logits (N,C,h,w) of images in [-1,1], each class with mean 0 and deviation 1 in each image."""
        input_N3HW = self._model.preprocessing.of_floats((image_N3HW.float() + 1) * 127.5)
        logits_NChw, _ = self._model(input_N3HW)
        return functional.instance_norm(logits_NChw.float())

    def distance(self, image_N3HW: Tensor, meaning_NChw: Tensor) -> Tensor:
        """Return the mean squared distance of an image's logits from ``meaning_NChw``."""
        return functional.mse_loss(self.of(image_N3HW), meaning_NChw)

    @torch.no_grad()
    def fixed(self, image_N3HW: Tensor) -> Tensor:
        """Return the same logits without a graph: the translation's goal."""
        return self.of(image_N3HW)
