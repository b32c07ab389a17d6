"""How large a network is, and what it takes to compute, without its weights."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch.utils.flop_counter import FlopCounterMode

from pipeline.models.base import PREPROCESSINGS, SegmentationModel
from pipeline.models.build import ModelSpec, construct_model, default_preprocessing
from pipeline.models.encoders import encoder_without_memory, wrong_features
from pipeline.models.small import SmallModel

FLOPS_PER_MULTIPLY_ADD = 2


class Summary(NamedTuple):
    """Figures of a network with one head."""

    parameters: int
    multiply_adds: int | None
    """of one image; None where the network cannot compute on images of that size"""
    logits: tuple[int, int] | None
    """their height and width"""


def summary(architecture: str, encoder: str, classes: int, size: tuple[int, int]) -> Summary:
    """Count parameters and multiply-adds of convolutions, linear layers and attention for one image of a size.

    Raises:
        ReadableError: the encoder has no pyramid.
    """
    model = _without_memory(architecture, encoder, classes).eval()
    parameters = sum(parameter.numel() for parameter in model.parameters())
    if isinstance(model, SmallModel) and wrong_features(model.encoder, size) is not None:
        return Summary(parameters, None, None)
    try:
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            logits, _ = model(torch.empty(1, 3, *size, device="meta"))
    except (AssertionError, RuntimeError, ValueError):
        return Summary(parameters, None, None)
    height, width = logits.shape[-2:]
    return Summary(parameters, counter.get_total_flops() // FLOPS_PER_MULTIPLY_ADD, (height, width))


def _without_memory(architecture: str, encoder: str, classes: int) -> SegmentationModel:
    if architecture == "small":
        with torch.device("meta"):
            return SmallModel(classes, encoder_without_memory(encoder), 1, PREPROCESSINGS["imagenet-rgb"])
    reads = default_preprocessing(architecture, encoder)
    return construct_model(ModelSpec(architecture, classes, encoder, 1, aspp_branches=4, preprocessing=reads))
