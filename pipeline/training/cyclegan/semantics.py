"""BDL's semantic loss: a translated image should mean to a segmentation network what the image means to it.

Li et al., "Bidirectional Learning for Domain Adaptation of Semantic Segmentation", CVPR 2019, Eq. 5; constants and the
normalisation of the logits are those of their code.

# N batch, C class, H/W pixels, h/w network resolution
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from pipeline.models.base import SegmentationModel


class Semantics:
    """A segmentation network that is looked through, and never trained."""

    def __init__(self, model: SegmentationModel) -> None:
        self._model = model.eval().requires_grad_(False)

    def of(self, image_N3HW: Tensor) -> Tensor:
        """Logits (N,C,h,w) of images in [-1,1], each class with mean 0 and deviation 1 in each image."""
        input_N3HW = self._model.preprocessing.of_floats((image_N3HW.float() + 1) * 127.5)
        logits_NChw, _ = self._model(input_N3HW)
        return functional.instance_norm(logits_NChw.float())

    def distance(self, image_N3HW: Tensor, meaning_NChw: Tensor) -> Tensor:
        """Mean squared distance between an image's meaning and another one's, which is where to go."""
        return functional.mse_loss(self.of(image_N3HW), meaning_NChw)

    @torch.no_grad()
    def wanted(self, image_N3HW: Tensor) -> Tensor:
        """The meaning of an image that is to be kept, without a way back."""
        return self.of(image_N3HW)
