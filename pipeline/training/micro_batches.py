"""Batches that do not fit into memory go through the network in pieces; the loss is still that of the whole batch.

A piece is computed without remembering its activations, and again when its gradient is wanted (activation
checkpointing over the batch); the pieces' gradients add up. Losses see the answers for the whole batch, so means are
over all of its valid pixels, whatever the pieces hold, and any objective and alignment works. It costs one forward pass
more. What differs: normalisation with batch statistics ("train", "affine_frozen") sees a piece at a time; with "frozen"
statistics only rounding differs.
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
    """In how many pieces a batch goes through the network, as the environment says; 1 by default.

    Not in params.yaml: it belongs to the machine, and must run nothing again.
    """
    text = os.environ.get(VARIABLE, "1")
    if not text.isdecimal() or int(text) < 1:
        raise ReadableError(f"the environment variable {VARIABLE} is {text!r}; a whole number from 1 is needed")
    return int(text)


@contextmanager
def in_micro_batches(model: nn.Module, pieces: int) -> Iterator[None]:
    """Within the block the model's forward passes take a batch in ``pieces`` parts (at most one for each image).

    The networks of a translation, which are no segmentation model, take it whole.

    Raises ReadableError where several processes train a model whose normalisation uses statistics of the batch.
    """
    if pieces == 1 or not isinstance(model, SegmentationModel):
        yield
        return
    if world_size() > 1 and any(layer.training for layer in model.normalisation_layers()):
        raise ReadableError(
            f"{VARIABLE}: several processes exchange the batch's statistics and cannot see it in pieces; lower batch, "
            "use more processes, or say model.normalisation: frozen"
        )
    ways = ("forward", "forward_with_front")
    whole = {name: getattr(model, name) for name in ways}
    inside = False  # `forward` of the networks here calls `forward_with_front`

    def split(run: Callable[[Tensor], Any]) -> Callable[[Tensor], Any]:
        def in_parts(input_N3HW: Tensor) -> Any:
            nonlocal inside
            if inside or not torch.is_grad_enabled():
                return run(input_N3HW)
            return _joined([_recomputed(alone, part_N3HW, model) for part_N3HW in input_N3HW.chunk(pieces)])

        def alone(part_N3HW: Tensor) -> Any:
            nonlocal inside
            inside = True
            try:
                return run(part_N3HW)
            finally:
                inside = False

        return in_parts

    try:
        for name in ways:
            setattr(model, name, split(whole[name]))
        yield
    finally:
        for name in ways:
            delattr(model, name)  # the class's own shows again


def _recomputed(run: Callable[[Tensor], Any], part_N3HW: Tensor, model: SegmentationModel) -> Any:
    return checkpoint(
        run, part_N3HW, use_reentrant=False, context_fn=lambda: (nullcontext(), _statistics_stand_still(model))
    )


@contextmanager
def _statistics_stand_still(model: SegmentationModel) -> Iterator[None]:
    """So that computing a piece again does not count it twice in the running statistics."""
    layers = [layer for layer in model.normalisation_layers() if layer.training]
    before = [(layer.momentum, layer.num_batches_tracked) for layer in layers]
    for layer in layers:
        layer.momentum, layer.num_batches_tracked = 0.0, None
    try:
        yield
    finally:
        for layer, (momentum, count) in zip(layers, before, strict=True):
            layer.momentum, layer.num_batches_tracked = momentum, count


def _joined(answers: list[Any]) -> Any:
    """Tensors of all pieces, one after the other, in the structure that the model answers with."""
    first = answers[0]
    if isinstance(first, Tensor):
        return torch.cat(answers)
    if isinstance(first, tuple):
        return tuple(_joined([answer[place] for answer in answers]) for place in range(len(first)))
    return first
