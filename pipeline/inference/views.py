"""A network over a batch of images: the logits of each view, and the probabilities averaged over views.

The dump, `roundabout predict` and the evaluation call networks through this module. Callers form the batches and turn
gradients off; nothing is kept between two calls.
"""

# N batch, C class, H/W pixels, h/w pixels of the logits

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn import functional

from pipeline.cache.schema import View
from pipeline.common.device import Device
from pipeline.models.base import SegmentationModel, at_size

Enlarge = Callable[[Tensor], Tensor]
"""Logits (N,C,h,w) of a view -> float32 logits (N,C,H,W) at full size."""


def views_of(scales: Sequence[float], flip: bool) -> tuple[View, ...]:
    """Return one view for each scale and, with ``flip``, a mirrored one after it."""
    return tuple(View(scale, mirrored) for scale in scales for mirrored in sorted({False, flip}))


def view_logits(model: SegmentationModel, image_N3HW: Tensor, views: Sequence[View], computer: Device) -> list[Tensor]:
    """Return the logits (N,C,h,w) of each view, at the network's own resolution.

    They have the precision of the forward pass, and those of a mirrored view stay mirrored: `mean_probabilities` turns
    them back.

    The model is on the computer's device; the images are RGB bytes on any. Their memory layout is kept, for a CPU
    rounds other layouts differently.
    """
    input_N3HW = model.preprocessing(image_N3HW.to(computer.device))
    return [_logits(model, input_N3HW, view, computer) for view in views]


def _logits(model: SegmentationModel, input_N3HW: Tensor, view: View, computer: Device) -> Tensor:
    if view.scale != 1:
        size = scaled_size((input_N3HW.shape[2], input_N3HW.shape[3]), view)
        input_N3HW = functional.interpolate(input_N3HW, size, mode="bilinear", antialias=True)
    if view.flip:
        input_N3HW = input_N3HW.flip(-1)
    with computer.autocast():
        logits_NChw: Tensor = model(input_N3HW)[0]
    return logits_NChw


def scaled_size(size: tuple[int, int], view: View) -> tuple[int, int]:
    """Return height and width of a view of an image, at least one pixel each."""
    return max(1, round(size[0] * view.scale)), max(1, round(size[1] * view.scale))


def enlarge_to(model: SegmentationModel, size: tuple[int, int]) -> Enlarge:
    """Return the function that enlarges logits of ``model`` to ``size`` = (H, W) in one step, in float32."""
    return lambda logits_NChw: at_size(model, logits_NChw.float(), size)


def mean_probabilities(logits: Sequence[Tensor], views: Sequence[View], enlarge: Enlarge) -> Tensor:
    """Return the probabilities (N,C,H,W) of a batch: softmax over C of each view, turned back, averaged over views."""
    total_NCHW: Tensor | None = None
    for view, logits_NChw in zip(views, logits, strict=True):
        prob_NCHW = torch.softmax(enlarge(logits_NChw), dim=1)
        if view.flip:
            prob_NCHW = prob_NCHW.flip(-1)
        total_NCHW = prob_NCHW if total_NCHW is None else total_NCHW + prob_NCHW
    assert total_NCHW is not None
    return total_NCHW / len(views) if len(views) > 1 else total_NCHW
