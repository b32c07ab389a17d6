"""Batches that do not fit into memory go through the network in micro-batches; the loss is that of the whole batch.

A micro-batch is computed without keeping its activations, and again for its gradient (activation checkpointing over
the batch); gradients add up. Losses see the outputs of the whole batch, so means are over all of its valid pixels, and
any objective and alignment works. It costs one more forward pass. What differs: normalisation with batch statistics
("train", "affine_frozen") sees a micro-batch at a time; with "frozen" statistics only rounding differs.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from pipeline.common.errors import ReadableError
from pipeline.models.base import SegmentationModel
from pipeline.training.distributed import world_size

VARIABLE = "ROUNDABOUT_MICRO_BATCHES"


def micro_batch_count() -> int:
    """Return the number of micro-batches of a batch, from the environment; 1 by default.

    It is not in params.yaml because it belongs to the machine, and must not run any stage again.
    """
    text = os.environ.get(VARIABLE, "1")
    if not text.isdecimal() or int(text) < 1:
        raise ReadableError(f"the environment variable {VARIABLE} is {text!r}; it must be a whole number from 1")
    return int(text)


@contextmanager
def in_micro_batches(model: nn.Module, count: int) -> Iterator[None]:
    """Split the batches of the model's forward passes within the block, into at most one micro-batch for each image.

    The networks of a translation, which are not segmentation models, take batches whole.

    Raises:
        ReadableError: several processes train a model whose normalisation uses statistics of the batch.
    """
    if count == 1 or not isinstance(model, SegmentationModel):
        yield
        return
    if world_size() > 1 and any(layer.training for layer in model.normalisation_layers()):
        raise ReadableError(
            f"{VARIABLE}: several processes exchange the batch's statistics and cannot split it; lower batch, "
            "use more processes, or set model.normalisation: frozen"
        )
    names = ("forward", "forward_with_front")
    whole = {name: getattr(model, name) for name in names}
    inside = False  # `forward` of the networks here calls `forward_with_front`

    def split(run: Callable[[Tensor], Any]) -> Callable[[Tensor], Any]:
        def split_batch(input_N3HW: Tensor) -> Any:
            nonlocal inside
            if inside or not torch.is_grad_enabled():
                return run(input_N3HW)
            return _joined([_recomputed(alone, part_N3HW, model) for part_N3HW in input_N3HW.chunk(count)])

        def alone(part_N3HW: Tensor) -> Any:
            nonlocal inside
            inside = True
            try:
                return run(part_N3HW)
            finally:
                inside = False

        return split_batch

    try:
        for name in names:
            setattr(model, name, split(whole[name]))
        yield
    finally:
        for name in names:
            delattr(model, name)  # the class's own method is visible again


def _recomputed(run: Callable[[Tensor], Any], part_N3HW: Tensor, model: SegmentationModel) -> Any:
    return checkpoint(
        run, part_N3HW, use_reentrant=False, context_fn=lambda: (nullcontext(), _statistics_stand_still(model))
    )


@contextmanager
def _statistics_stand_still(model: SegmentationModel) -> Iterator[None]:
    """Keep running statistics as they are while a micro-batch is computed again."""
    layers = [layer for layer in model.normalisation_layers() if layer.training]
    before = [(layer.momentum, layer.num_batches_tracked) for layer in layers]
    for layer in layers:
        layer.momentum, layer.num_batches_tracked = 0.0, None
    try:
        yield
    finally:
        for layer, (momentum, count) in zip(layers, before, strict=True):
            layer.momentum, layer.num_batches_tracked = momentum, count


def _joined(outputs: list[Any]) -> Any:
    """Return the outputs of all micro-batches as one, in the structure that the model returns."""
    first = outputs[0]
    if isinstance(first, Tensor):
        return torch.cat(outputs)
    if isinstance(first, tuple):
        return tuple(_joined([output[index] for output in outputs]) for index in range(len(first)))
    return first
