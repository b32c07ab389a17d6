"""The section of the segmentation network."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from pipeline.common.section import Section


class Model(Section):
    """The segmentation network."""

    architecture: Literal[
        "small", "deeplabv2-resnet101", "fcn8s-vgg16", "resnet38", "lenet", "segformer", "daformer", "hrda"
    ] = "small"
    encoder: Literal[
        "mobilenet-v3-small", "mobilenet-v3-large", "efficientnet-lite0",
        "mit-b0", "mit-b1", "mit-b2", "mit-b3", "mit-b4", "mit-b5",
    ] = "mobilenet-v3-small"  # fmt: skip
    pretrained: bool = Field(False, description="ImageNet weights (encoder efficientnet-lite0)")
    weights: str | None = Field(None, description="a checkpoint to start from: ours, or one of docs/models.md")
    heads: Literal[1, 2] = 1
    aspp_branches: Literal[2, 4] = 4
    preprocessing: Literal["imagenet-rgb", "caffe-bgr", "lite-rgb"] | None = None
    normalisation: Literal["frozen", "affine_frozen", "train"] = "frozen"

    @model_validator(mode="after")
    def _exists(self) -> Model:
        if self.pretrained and (self.architecture != "small" or self.encoder != "efficientnet-lite0"):
            raise ValueError("pretrained: only architecture small with encoder efficientnet-lite0 has ImageNet weights")
        on_mit = self.architecture in ("segformer", "daformer", "hrda")
        if on_mit != self.encoder.startswith("mit-") and (on_mit or self.architecture == "small"):
            raise ValueError(f"encoder: {self.architecture} {'has' if on_mit else 'has none of'} mit-b0 … mit-b5")
        if self.heads != 1 and (on_mit or self.architecture in ("fcn8s-vgg16", "resnet38", "lenet")):
            raise ValueError(f"heads: {self.architecture} has one")
        return self
