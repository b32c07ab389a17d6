"""What is kept of an image's probabilities beside the logits: label, entropy, and sums per class.

# N batch, C class, H/W pixels
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor


class Planes(NamedTuple):
    """Per pixel: label (N,H,W) int64, confidence (N,H,W) = largest probability, entropy (N,H,W) in nats."""

    label_NHW: Tensor
    confidence_NHW: Tensor
    entropy_NHW: Tensor


def planes(logits_NCHW: Tensor) -> Planes:
    """Label, confidence and entropy of softmax(logits) over C.

    The entropy is Σ p·(lse - logit) rather than -Σ p ln p: no logarithm of a probability that has underflowed to 0.
    """
    log_normaliser_NHW = torch.logsumexp(logits_NCHW, dim=1)
    prob_NCHW = torch.softmax(logits_NCHW, dim=1)
    confidence_NHW, label_NHW = prob_NCHW.max(dim=1)
    entropy_NHW = log_normaliser_NHW - (prob_NCHW * logits_NCHW).sum(dim=1)
    return Planes(label_NHW, confidence_NHW, entropy_NHW.clamp(0.0, math.log(logits_NCHW.shape[1])))


def planes_of_probabilities(prob_NCHW: Tensor) -> Planes:
    """The same of probabilities (N,C,H,W) that sum to 1 over C."""
    confidence_NHW, label_NHW = prob_NCHW.max(dim=1)
    return Planes(label_NHW, confidence_NHW, torch.special.entr(prob_NCHW).sum(dim=1))


def class_statistics(planes: Planes, classes: int) -> dict[str, Tensor]:
    """Sums over the pixels of each class, by image: a dict of (N,C) float64 (pixel_count int64); see cache/schema.py.

    A class without pixels has 0 everywhere.
    """
    images = planes.label_NHW.shape[0]
    offset_N11 = torch.arange(images, device=planes.label_NHW.device).view(-1, 1, 1) * classes
    slot = (planes.label_NHW + offset_N11).flatten()
    entropy = planes.entropy_NHW.flatten().double()
    empty = torch.zeros(images * classes, dtype=torch.float64, device=slot.device)
    flat = {
        "pixel_count": torch.bincount(slot, minlength=images * classes),
        "confidence_sum": empty.index_add(0, slot, planes.confidence_NHW.flatten().double()),
        "entropy_sum": empty.index_add(0, slot, entropy),
        "entropy_min": empty.scatter_reduce(0, slot, entropy, "amin", include_self=False),
        "entropy_max": empty.scatter_reduce(0, slot, entropy, "amax", include_self=False),
    }
    return {name: value.view(images, classes) for name, value in flat.items()}


def entropy_byte(entropy_NHW: Tensor, classes: int) -> Tensor:
    """Entropy as uint8: round(255 · E / ln C), for viewing."""
    return (entropy_NHW * (255.0 / math.log(classes))).round().clamp(0, 255).to(torch.uint8)
