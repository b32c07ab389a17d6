"""Losses over pixels. Ignored pixels do not count; a batch of ignored pixels only has loss 0 and gradient 0.

Where several processes train together, means are taken over the pixels of all of them (distributed.py).
"""

# N batch, C class, H/W pixels

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from pipeline.common.labels import IGNORE
from pipeline.training.distributed import all_reduce_sum, count_of


def cross_entropy_per_pixel(logits_NCHW: Tensor, label_NHW: Tensor) -> tuple[Tensor, Tensor]:
    """Return the cross entropy of each pixel in nats (N,H,W), 0 where ignored, and the number of other pixels."""
    loss_NHW = functional.cross_entropy(logits_NCHW.float(), label_NHW.long(), ignore_index=IGNORE, reduction="none")
    return loss_NHW, all_reduce_sum((label_NHW != IGNORE).sum())


def cross_entropy(logits_NCHW: Tensor, label_NHW: Tensor, weight_C: Tensor | None = None) -> Tensor:
    """Return the mean cross entropy over the pixels that count (LSE Eq. 1, 2, 4).

    The papers write sums; their code takes means, and so do we: a sum would tie the learning rate to the image size.
    With weights of the classes it is the weighted mean, each pixel having its label's.
    """
    loss_NHW, counted = cross_entropy_per_pixel(logits_NCHW, label_NHW)
    if weight_C is None:
        return all_reduce_sum(loss_NHW.sum()) / counted.clamp(min=1)
    weight_NHW = pixel_weights_of(label_NHW, weight_C)
    total = all_reduce_sum(weight_NHW.sum()).clamp(min=torch.finfo(weight_NHW.dtype).tiny)
    return all_reduce_sum((loss_NHW * weight_NHW).sum()) / total


def pixel_weights_of(label_NHW: Tensor, weight_C: Tensor) -> Tensor:
    """Return the weight (N,H,W) of each pixel's class; 0 where ignored."""
    labelled_NHW = label_NHW != IGNORE
    return weight_C[torch.where(labelled_NHW, label_NHW, 0).long()] * labelled_NHW


def weighted_cross_entropy(logits_NCHW: Tensor, label_NHW: Tensor, weight_NHW: Tensor | None = None) -> Tensor:
    """Return the sum of weight · cross entropy over the number of all pixels (DACS, DAFormer, MIC).

    Ignored pixels add 0 but are counted, and weights are not in the denominator, so that few or light pseudo-labels
    move the network little. Without weights it is the released code's loss on the source.
    """
    loss_NHW, _ = cross_entropy_per_pixel(logits_NCHW, label_NHW)
    if weight_NHW is not None:
        loss_NHW = loss_NHW * weight_NHW
    return all_reduce_sum(loss_NHW.sum()) / count_of(label_NHW)


def focal_loss(loss_NHW: Tensor, counted: Tensor, gamma: float) -> Tensor:
    """Return the mean of CE · (1 - p)^γ, p = exp(-CE) (Lin et al. 2017; LSE Eq. 5, which omits its code's filter).

    ``loss_NHW`` and ``counted`` come from cross_entropy_per_pixel. The weight takes part in the gradient.
    """
    error_NHW = (1.0 - torch.exp(-loss_NHW)).clamp(min=torch.finfo(loss_NHW.dtype).tiny)
    return all_reduce_sum((loss_NHW * error_NHW**gamma).sum()) / counted.clamp(min=1)


def focal_of_mean(loss: Tensor, gamma: float) -> Tensor:
    """Return L · (1 - exp(-L))^γ of the mean cross entropy L, as LSE's released code computes with DeepLab."""
    # above 0, where the gradient of a power below 1 is infinite
    return loss * (1.0 - torch.exp(-loss)).clamp(min=torch.finfo(loss.dtype).tiny) ** gamma


def model_regulariser(logits_NCHW: Tensor, label_NHW: Tensor) -> Tensor:
    """Return the mean of -1/C Σ_c ln p_c over the pixels that have a pseudo-label: MRKLD.

    Zou et al., "Confidence Regularized Self-Training", ICCV 2019: up to a constant the divergence
    KL(uniform ‖ p), which keeps a network from being certain of its pseudo-labels. The paper adds it to their cross
    entropy with weight 0.1. ``label_NHW`` is IGNORE where a pixel has no pseudo-label.
    """
    loss_NHW = -functional.log_softmax(logits_NCHW.float(), dim=1).mean(dim=1)
    labelled_NHW = label_NHW != IGNORE
    total = all_reduce_sum((loss_NHW * labelled_NHW).sum())
    return total / all_reduce_sum(labelled_NHW.sum()).clamp(min=1)
