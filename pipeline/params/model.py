"""The section of the segmentation network."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from pipeline.common.section import Section

_MIT = ("mit-", "mit-b0 … mit-b5")
_VIT = ("timm/", "timm/NAME of a plain vision transformer, such as timm/vit_small_patch14_dinov2")
ENCODERS_OF = {"segformer": _MIT, "daformer": _MIT, "hrda": _MIT, "vit-linear": _VIT, "vit-upernet": _VIT}
"""How names of encoders begin, and what to choose; `small` has its own."""


class Model(Section):
    """The segmentation network."""

    architecture: Literal[
        "small", "deeplabv2-resnet101", "fcn8s-vgg16", "resnet38", "lenet",
        "segformer", "daformer", "hrda", "vit-linear", "vit-upernet",
    ] = "small"  # fmt: skip
    encoder: Literal[
        "mobilenet-v3-small", "mobilenet-v3-large", "efficientnet-lite0",
        "mit-b0", "mit-b1", "mit-b2", "mit-b3", "mit-b4", "mit-b5",
    ] | Annotated[str, Field(pattern="^timm/.")] = "mobilenet-v3-small"  # fmt: skip
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
        takes = ENCODERS_OF.get(self.architecture)
        if takes is not None and not self.encoder.startswith(takes[0]):
            raise ValueError(f"encoder: {self.architecture} takes {takes[1]}")
        if self.architecture == "small" and self.encoder.startswith(("mit-", "timm/")):
            raise ValueError(f"encoder: small does not take {self.encoder}")
        if self.heads != 1 and (takes or self.architecture in ("fcn8s-vgg16", "resnet38", "lenet")):
            raise ValueError(f"heads: {self.architecture} has one")
        return self
