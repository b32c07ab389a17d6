"""Forward pass of a batch: logits at full size, auxiliary head, features of the encoder."""

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
    last_NDhw: Tensor | None = None
    """Features of the encoder's last block, if front features are requested."""

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
            None if self.last_NDhw is None else self.last_NDhw.detach(),
        )


def masked(input_N3HW: Tensor, kept_NHW: Tensor) -> Tensor:
    """Return normalised images with 0, which is the mean colour, where pixels are not kept (MIC)."""
    return input_N3HW * kept_NHW[:, None]


def forward_batch(
    model: SegmentationModel, labelled: Labelled, *, front: bool = False, kept_NHW: Tensor | None = None
) -> Outputs:
    """Run the network over the images of a batch.

    ``front`` requests features of the front blocks and of the last one. Where ``kept_NHW`` is False, the network sees
    the mean colour.
    """
    size = (int(labelled.label_NHW.shape[-2]), int(labelled.label_NHW.shape[-1]))
    input_N3HW = model.preprocessing(labelled.image_N3HW)
    if kept_NHW is not None:
        input_N3HW = masked(input_N3HW, kept_NHW)
    main_NChw, auxiliary_NChw, *rest = model.forward_with_front(input_N3HW) if front else model(input_N3HW)
    auxiliary_NCHW = None if auxiliary_NChw is None else full_size(model, auxiliary_NChw, size)
    outputs = Outputs(full_size(model, main_NChw, size), auxiliary_NCHW)
    if not rest:
        return outputs
    (features,) = rest
    return outputs._replace(front=(features[0], features[1]), last_NDhw=features[-1])
