"""Objectives: from a batch to named loss terms. The loop back-propagates each term before the next is computed.

So a term's activations are freed before the next forward pass, and streams of different image sizes can be mixed.
"""

# N batch, C class, H/W pixels, h/w network resolution

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from pipeline.models.base import SegmentationModel
from pipeline.training.batches import Batch, Labelled
from pipeline.training.distributed import all_reduce_sum, count_of
from pipeline.training.forward import Outputs, forward_batch
from pipeline.training.losses import cross_entropy, cross_entropy_per_pixel, focal_loss, focal_of_mean

Term = tuple[str, Tensor]
Objective = Callable[[SegmentationModel, Batch], Iterator[Term]]

AUXILIARY_WEIGHT = 0.1
"""Of the auxiliary head's loss (AdaptSegNet, ADVENT)."""


def segmentation_loss(outputs: Outputs, labelled: Labelled) -> Tensor:
    """Return the cross entropy (LSE Eq. 1) with the batch's weights of classes, plus 0.1 · a second head's."""
    label_NHW, weight_C = labelled.label_NHW, labelled.class_weight_C
    loss = cross_entropy(outputs.main_NCHW, label_NHW, weight_C)
    if outputs.auxiliary_NCHW is not None:
        loss = loss + AUXILIARY_WEIGHT * cross_entropy(outputs.auxiliary_NCHW, label_NHW, weight_C)
    return loss


def supervised(model: SegmentationModel, batch: Batch) -> Iterator[Term]:
    """Yield the cross entropy on labelled source images."""
    labelled = batch["source"]
    yield "source", segmentation_loss(forward_batch(model, labelled), labelled)


@dataclass(frozen=True)
class PseudoLabelObjective:
    """L_seg on source + L_seg + β · L_FL on patches with pseudo-labels (LSE Eq. 6 and 7; CBST and CADA with β = 0).

    Means are taken over the pixels that have a label; with ``over_all_pixels`` over all of them (CADA Eq. 6), so
    that a round with few pseudo-labels moves the network little. A second head learns the pseudo-labels with 0.1 times
    the cross entropy, as it does labels; the focal term is of the main head only.
    """

    beta: float = 0.0
    gamma: float = 0.0
    focal_of: str = "pixel"
    over_all_pixels: bool = False

    def __call__(self, model: SegmentationModel, batch: Batch) -> Iterator[Term]:
        """Yield the terms `source`, if the batch has one, and `patches`."""
        if "source" in batch:
            yield from supervised(model, batch)
        labelled = batch["patches"]
        outputs = forward_batch(model, labelled)
        loss_NHW, counted = cross_entropy_per_pixel(outputs.main_NCHW, labelled.label_NHW)
        if self.over_all_pixels:
            counted = torch.full_like(counted, count_of(labelled.label_NHW))
        segmentation = all_reduce_sum(loss_NHW.sum()) / counted.clamp(min=1)
        loss = segmentation
        if self.beta > 0:
            pixels = self.focal_of == "pixel"
            focal = focal_loss(loss_NHW, counted, self.gamma) if pixels else focal_of_mean(segmentation, self.gamma)
            loss = loss + self.beta * focal
        if outputs.auxiliary_NCHW is not None:
            auxiliary_NHW, _ = cross_entropy_per_pixel(outputs.auxiliary_NCHW, labelled.label_NHW)
            loss = loss + AUXILIARY_WEIGHT * all_reduce_sum(auxiliary_NHW.sum()) / counted.clamp(min=1)
        yield "patches", loss
