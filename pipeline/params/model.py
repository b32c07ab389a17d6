"""The section of the segmentation network."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from pipeline.common.section import Section


class Model(Section):
    """The segmentation network."""

    architecture: Literal["small", "deeplabv2-resnet101", "fcn8s-vgg16", "resnet38", "lenet"] = "small"
    encoder: Literal["mobilenet-v3-small", "mobilenet-v3-large", "efficientnet-lite0"] = "mobilenet-v3-small"
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
        if self.architecture in ("fcn8s-vgg16", "resnet38", "lenet") and self.heads != 1:
            raise ValueError(f"heads: {self.architecture} has one")
        return self
