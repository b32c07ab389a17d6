"""An alignment draws what a network shows of unlabelled images towards what it shows of labelled ones.

It is an objective, the network's, and where discriminators play against the network a second one, theirs. The labelled
images may be a source and the unlabelled ones a target, or two halves of a target: they are two streams.

# N batch
"""

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
    """One term of an alignment; an `Adversarial` one has a loss for its discriminator, too."""

    def generator_loss(self, first: Outputs, second: Outputs) -> Tensor:
        """The network's weighted loss; ``first`` shows labelled images, detached, and ``second`` unlabelled ones."""
        ...


class Alignment:
    """Some parts, added up, over two streams; ``front`` says that a part reads features."""

    def __init__(
        self,
        parts: Mapping[str, AlignmentLoss],
        *,
        front: bool = False,
        labelled: str = "source",
        unlabelled: str = "target",
    ) -> None:
        self.parts, self._front = dict(parts), front
        self._labelled, self._unlabelled = labelled, unlabelled
        self._players = {name: part for name, part in parts.items() if isinstance(part, Adversarial)}
        self.discriminators = nn.ModuleDict({name: part.discriminator for name, part in self._players.items()})
        self._outputs: tuple[Outputs, Outputs] | None = None

    def generator_terms(self, model: SegmentationModel, batch: Batch) -> Iterator[Term]:
        """The network's objective: cross entropy on the labelled images, and the parts on the unlabelled ones.

        The labelled images' graph is gone before the unlabelled ones' is made: the parts move only the latter.
        """
        self.discriminators.requires_grad_(False)
        labelled = batch[self._labelled]
        first = forward_batch(model, labelled, front=self._front)
        yield self._labelled, segmentation_loss(first, labelled.label_NHW)
        first = first.detached()
        second = forward_batch(model, batch[self._unlabelled], front=self._front)
        self._outputs = (first, second.detached()) if self._players else None
        yield "alignment", torch.stack([part.generator_loss(first, second) for part in self.parts.values()]).sum()

    def discriminator_terms(self, model: SegmentationModel, batch: Batch) -> Iterator[Term]:
        """The discriminators' objective, on what the network showed in the step just made."""
        assert self._outputs is not None, "the network's terms come first"
        (first, second), self._outputs = self._outputs, None
        self.discriminators.requires_grad_(True)
        for name, part in self._players.items():
            yield f"discriminator-{name}", part.discriminator_loss(first, second)
