"""The section of the segmentation network."""

from __future__ import annotations

from typing import Annotated, Literal, get_args

from pydantic import AfterValidator, Field, WithJsonSchema, model_validator

from pipeline.common.errors import did_you_mean
from pipeline.common.section import Section

OwnEncoder = Literal[
    "mobilenet-v3-small", "mobilenet-v3-large", "efficientnet-lite0", "efficientnet-lite1", "efficientnet-lite2"
]
TIMM = "timm/"


def _is_encoder(name: str) -> str:
    """Refuse what is no name; whether timm knows one that begins with ``timm/``, `roundabout check` asks it."""
    own = get_args(OwnEncoder)
    if name not in own and not (name.startswith(TIMM) and len(name) > len(TIMM)):
        raise ValueError(f"should be one of {', '.join(own)}, or {TIMM}NAME{did_you_mean(name, own)}")
    return name


Encoder = Annotated[
    str,
    AfterValidator(_is_encoder),
    WithJsonSchema({"anyOf": [{"enum": list(get_args(OwnEncoder))}, {"type": "string", "pattern": f"^{TIMM}."}]}),
]


class Model(Section):
    """The segmentation network."""

    architecture: Literal["small", "deeplabv2-resnet101", "fcn8s-vgg16", "resnet38", "lenet"] = "small"
    encoder: Encoder = Field("mobilenet-v3-small", description="of `small`; `roundabout models` lists them")
    pretrained: bool | str = Field(False, description="published weights of the encoder: true, or their file")
    weights: str | None = Field(None, description="a checkpoint to start from: ours, or one of docs/models.md")
    heads: Literal[1, 2] = 1
    aspp_branches: Literal[2, 4] = 4
    preprocessing: Literal["imagenet-rgb", "caffe-bgr", "lite-rgb", "inception-rgb", "unit-rgb", "clip-rgb"] | None = (
        None
    )
    normalisation: Literal["frozen", "affine_frozen", "train"] = "frozen"

    @model_validator(mode="after")
    def _exists(self) -> Model:
        if self.pretrained and self.architecture != "small":
            raise ValueError(
                f"pretrained: only encoders of architecture small have such weights; {self.architecture} "
                "begins with those of a checkpoint: `weights: PATH`"
            )
        if self.pretrained is True and self.encoder.startswith("mobilenet"):
            raise ValueError(
                f"pretrained: no package has ImageNet's weights of {self.encoder}; name torchvision's file "
                "of them: `pretrained: PATH`"
            )
        if self.architecture in ("fcn8s-vgg16", "resnet38", "lenet") and self.heads != 1:
            raise ValueError(f"heads: {self.architecture} has one")
        return self
