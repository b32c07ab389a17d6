"""Forward pass of a batch: logits at full size, auxiliary head, front features."""

# N batch, C class, H/W pixels, h/w network resolution, D feature channels

from __future__ import annotations

from typing import Literal, NamedTuple

from torch import Tensor

from pipeline.models.base import SegmentationModel, full_size
from pipeline.training.batches import Labelled

Level = Literal["main", "auxiliary"]


class Outputs(NamedTuple):
    """Logits at full size, of a second head if the network has one, and front features if requested."""

    main_NCHW: Tensor
    auxiliary_NCHW: Tensor | None = None
    front: tuple[Tensor, Tensor] | None = None
    """(N,D,h,w) each, the finer ones first."""

    def prob(self, level: Level) -> Tensor:
        """Return class probabilities (N,C,H,W) of a head.

        Raises:
            ValueError: the network has no such head.
        """
        logits_NCHW = self.main_NCHW if level == "main" else self.auxiliary_NCHW
        if logits_NCHW is None:
            raise ValueError("the network has no auxiliary head")
        return logits_NCHW.float().softmax(dim=1)

    def detached(self) -> Outputs:
        """Return the same values without a graph."""
        return Outputs(
            self.main_NCHW.detach(),
            None if self.auxiliary_NCHW is None else self.auxiliary_NCHW.detach(),
            None if self.front is None else (self.front[0].detach(), self.front[1].detach()),
        )


def forward_batch(model: SegmentationModel, labelled: Labelled, *, front: bool = False) -> Outputs:
    """Run the network over the images of a batch; ``front`` requests features of the front blocks."""
    size = (int(labelled.label_NHW.shape[-2]), int(labelled.label_NHW.shape[-1]))
    input_N3HW = model.preprocessing(labelled.image_N3HW)
    main_NChw, auxiliary_NChw, *features = model.forward_with_front(input_N3HW) if front else model(input_N3HW)
    auxiliary_NCHW = None if auxiliary_NChw is None else full_size(model, auxiliary_NChw, size)
    return Outputs(full_size(model, main_NChw, size), auxiliary_NCHW, features[0] if features else None)
