"""Aligns features or outputs between a labelled and an unlabelled stream.

An alignment is an objective of the network, and a second one of its discriminators if it has any. The streams may be
source and target, or two halves of a target.
"""

# N batch

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Protocol

import torch
from torch import Tensor, nn

from pipeline.models.base import SegmentationModel
from pipeline.training.alignment.adversarial import Adversarial
from pipeline.training.batches import Batch
from pipeline.training.forward import Outputs, forward_batch
from pipeline.training.objectives import Term, segmentation_loss


class AlignmentLoss(Protocol):
    """One term of an alignment; an `Adversarial` one also has a loss for its discriminator."""

    def generator_loss(self, first: Outputs, second: Outputs) -> Tensor:
        """Return the network's weighted loss; ``first`` is of labelled images, detached, ``second`` of others."""
        ...


class Alignment:
    """The sum of some losses over two streams; ``front`` says that one of them reads front features."""

    def __init__(
        self,
        losses: Mapping[str, AlignmentLoss],
        *,
        front: bool = False,
        labelled: str = "source",
        unlabelled: str = "target",
    ) -> None:
        self.losses, self._front = dict(losses), front
        self._labelled, self._unlabelled = labelled, unlabelled
        self._adversarial = {name: loss for name, loss in losses.items() if isinstance(loss, Adversarial)}
        self.discriminators = nn.ModuleDict({name: loss.discriminator for name, loss in self._adversarial.items()})
        self._outputs: tuple[Outputs, Outputs] | None = None

    def generator_terms(self, model: SegmentationModel, batch: Batch) -> Iterator[Term]:
        """Yield the network's terms: cross entropy on the labelled images, and the losses on the unlabelled ones.

        The labelled images' graph is freed before the unlabelled ones' is built: the losses move only the latter.
        """
        self.discriminators.requires_grad_(False)
        labelled = batch[self._labelled]
        first = forward_batch(model, labelled, front=self._front)
        yield self._labelled, segmentation_loss(first, labelled)
        first = first.detached()
        second = forward_batch(model, batch[self._unlabelled], front=self._front)
        self._outputs = (first, second.detached()) if self._adversarial else None
        yield "alignment", torch.stack([loss.generator_loss(first, second) for loss in self.losses.values()]).sum()

    def discriminator_terms(self, model: SegmentationModel, batch: Batch) -> Iterator[Term]:
        """Yield the discriminators' terms, on the outputs of the network's step before."""
        assert self._outputs is not None, "the network's terms must be computed first"
        (first, second), self._outputs = self._outputs, None
        self.discriminators.requires_grad_(True)
        for name, loss in self._adversarial.items():
            yield f"discriminator-{name}", loss.discriminator_loss(first, second)
