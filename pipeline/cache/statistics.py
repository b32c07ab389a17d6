"""Labels, entropies and statistics of probabilities by torch: on a GPU, before anything is copied.

On a CPU, kernels.py computes the same in one pass; tests/cache/test_cache_statistics.py compares the two.
"""

# N batch, C class, H/W pixels, B bins

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from pipeline.cache.bins import COARSE_BINS, CONFIDENCE_BINS, ENTROPY_BINS, ENTROPY_LEVELS, SURE
from pipeline.cache.schema import ALL_STATISTICS


class Planes(NamedTuple):
    """Per pixel: label (N,H,W) int64, confidence (N,H,W) = largest probability, entropy (N,H,W) in nats."""

    label_NHW: Tensor
    confidence_NHW: Tensor
    entropy_NHW: Tensor


def planes(logits_NCHW: Tensor) -> Planes:
    """Return label, confidence and entropy of softmax(logits) over C."""
    return planes_of_probabilities(torch.softmax(logits_NCHW, dim=1))


def planes_of_probabilities(prob_NCHW: Tensor) -> Planes:
    """Return the same of probabilities (N,C,H,W) that sum to 1 over C."""
    confidence_NHW, label_NHW = prob_NCHW.max(dim=1)
    entropy_NHW = torch.special.entr(prob_NCHW).sum(dim=1)
    return Planes(label_NHW, confidence_NHW, entropy_NHW.clamp(0.0, math.log(prob_NCHW.shape[1])))


def image_statistics(prob_NCHW: Tensor, planes: Planes) -> dict[str, Tensor]:
    """Return schema.ALL_STATISTICS of each image, in float64 (pixel_count int64).

    A class without pixels has 0 everywhere.
    """
    images, classes = prob_NCHW.shape[:2]
    offset_N11 = torch.arange(images, device=prob_NCHW.device).view(-1, 1, 1) * classes
    slot = (planes.label_NHW + offset_N11).flatten()
    confidence, entropy = planes.confidence_NHW.flatten().double(), planes.entropy_NHW.flatten().double()
    empty = torch.zeros(images * classes, dtype=torch.float64, device=slot.device)
    flat = {
        "pixel_count": torch.bincount(slot, minlength=images * classes),
        "confidence_sum": empty.index_add(0, slot, confidence),
        "entropy_sum": empty.index_add(0, slot, entropy),
        "entropy_min": empty.scatter_reduce(0, slot, entropy, "amin", include_self=False),
        "entropy_max": empty.scatter_reduce(0, slot, entropy, "amax", include_self=False),
    }
    per_class = {name: value.view(images, classes) for name, value in flat.items()}
    prob_PC = prob_NCHW.permute(0, 2, 3, 1).reshape(-1, classes).double()
    nothing = empty[:, None].expand(-1, classes)
    centroids = {
        "probability_sum": nothing.index_add(0, slot, prob_PC).view(images, classes, classes),
        "weighted_probability_sum": nothing.index_add(0, slot, prob_PC * confidence[:, None]).view(
            images, classes, classes
        ),
    }
    statistics = per_class | centroids | {"entropy_mean": planes.entropy_NHW.double().mean(dim=(1, 2))}
    return {name: statistics[name] for name in ALL_STATISTICS}


def histograms(planes: Planes, classes: int) -> tuple[Tensor, Tensor]:
    """Return pixels of all images by label and confidence (C,B), and by label and entropy (C,B); bins.py."""
    confidence, entropy = planes.confidence_NHW, planes.entropy_NHW
    exact = COARSE_BINS + 2**15 - ((1 - confidence) * 2**24).to(torch.int64)
    confidence_bin = torch.where(confidence < SURE, (confidence * 65536).to(torch.int64), exact)
    entropy_bin = (entropy * (ENTROPY_BINS / math.log(classes))).to(torch.int64).clamp(max=ENTROPY_BINS - 1)
    return (
        _counted(planes.label_NHW, confidence_bin, classes, CONFIDENCE_BINS),
        _counted(planes.label_NHW, entropy_bin, classes, ENTROPY_BINS),
    )


def _counted(label_NHW: Tensor, bin_NHW: Tensor, classes: int, bins: int) -> Tensor:
    return torch.bincount((label_NHW * bins + bin_NHW).flatten(), minlength=classes * bins).view(classes, bins)


def entropy_byte(entropy: Tensor, classes: int) -> Tensor:
    """Return entropy as uint8: 5 · round(51 · E / ln C), for viewing."""
    level = (entropy * (ENTROPY_LEVELS / math.log(classes))).round().clamp(0, ENTROPY_LEVELS)
    return level.to(torch.uint8) * (255 // ENTROPY_LEVELS)
