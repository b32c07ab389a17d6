"""Objectives: from a batch to named loss terms. The loop back-propagates each term before the next is computed.

So a term's activations are freed before the next forward pass, and two sets of images of different sizes need no
common batch.

# N batch, C class, H/W pixels, h/w network resolution
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from pipeline.models.base import SegmentationModel, full_size
from pipeline.training.batches import Batch, Labelled
from pipeline.training.losses import cross_entropy, cross_entropy_per_pixel, focal_loss, focal_of_mean

Term = tuple[str, Tensor]
Objective = Callable[[SegmentationModel, Batch], Iterator[Term]]

# Weight of the auxiliary head's loss where a network has two (AdaptSegNet, ADVENT).
_AUXILIARY_WEIGHT = 0.1


def _logits(model: SegmentationModel, labelled: Labelled) -> tuple[Tensor, Tensor | None]:
    """Full-size logits of both heads."""
    size = (int(labelled.label_NHW.shape[-2]), int(labelled.label_NHW.shape[-1]))
    main_NChw, auxiliary_NChw = model(model.preprocessing(labelled.image_N3HW))
    auxiliary_NCHW = None if auxiliary_NChw is None else full_size(model, auxiliary_NChw, size)
    return full_size(model, main_NChw, size), auxiliary_NCHW


def supervised(model: SegmentationModel, batch: Batch) -> Iterator[Term]:
    """Cross entropy on labelled source images (LSE Eq. 1); a second head adds 0.1 times its own."""
    labelled = batch["source"]
    main_NCHW, auxiliary_NCHW = _logits(model, labelled)
    loss = cross_entropy(main_NCHW, labelled.label_NHW)
    if auxiliary_NCHW is not None:
        loss = loss + _AUXILIARY_WEIGHT * cross_entropy(auxiliary_NCHW, labelled.label_NHW)
    yield "source", loss


@dataclass(frozen=True)
class PseudoLabelObjective:
    """L_seg on source + L_seg + β · L_FL on patches with pseudo-labels (LSE Eq. 6 and 7; CBST and CADA with β = 0).

    Means are taken over the pixels that have a label; with ``over_all_pixels`` over all of them (CADA Sec. 2.2), so
    that a round with few pseudo-labels moves the network little.
    """

    beta: float = 0.0
    gamma: float = 0.0
    focal_of: str = "pixel"
    over_all_pixels: bool = False

    def __call__(self, model: SegmentationModel, batch: Batch) -> Iterator[Term]:
        if "source" in batch:
            yield from supervised(model, batch)
        labelled = batch["patches"]
        main_NCHW, _ = _logits(model, labelled)
        loss_NHW, counted = cross_entropy_per_pixel(main_NCHW, labelled.label_NHW)
        if self.over_all_pixels:
            counted = torch.full_like(counted, labelled.label_NHW.numel())
        segmentation = loss_NHW.sum() / counted.clamp(min=1)
        focal = torch.zeros_like(segmentation)
        if self.beta > 0:
            pixels = self.focal_of == "pixel"
            focal = focal_loss(loss_NHW, counted, self.gamma) if pixels else focal_of_mean(segmentation, self.gamma)
        yield "patches", segmentation + self.beta * focal
