"""The section of the segmentation network."""

from __future__ import annotations

from typing import Annotated, Literal, get_args

from pydantic import AfterValidator, Field, WithJsonSchema, model_validator

from pipeline.common.errors import did_you_mean
from pipeline.common.section import Section

SmallEncoder = Literal[
    "mobilenet-v3-small", "mobilenet-v3-large", "efficientnet-lite0", "efficientnet-lite1", "efficientnet-lite2"
]
MixTransformer = Literal["mit-b0", "mit-b1", "mit-b2", "mit-b3", "mit-b4", "mit-b5"]
TIMM = "timm/"
OWN_ENCODERS = (*get_args(SmallEncoder), *get_args(MixTransformer))


def _is_encoder(name: str) -> str:
    """Refuse an unknown name; whether timm has a name that begins with ``timm/`` is asked by `roundabout check`."""
    if name not in OWN_ENCODERS and not (name.startswith(TIMM) and len(name) > len(TIMM)):
        raise ValueError(f"should be one of {', '.join(OWN_ENCODERS)}, or {TIMM}NAME{did_you_mean(name, OWN_ENCODERS)}")
    return name


Encoder = Annotated[
    str,
    AfterValidator(_is_encoder),
    WithJsonSchema({"anyOf": [{"enum": list(OWN_ENCODERS)}, {"type": "string", "pattern": f"^{TIMM}."}]}),
]
_MIT = ("mit-", "mit-b0 … mit-b5")
_VIT = (TIMM, "timm/NAME of a plain vision transformer, such as timm/vit_small_patch14_dinov2")
ENCODERS_OF = {"segformer": _MIT, "daformer": _MIT, "hrda": _MIT, "vit-linear": _VIT, "vit-upernet": _VIT}
"""How names of encoders begin, and what to choose; `small` takes all but Mix Transformers."""


class Model(Section):
    """The segmentation network."""

    architecture: Literal[
        "small", "deeplabv2-resnet101", "fcn8s-vgg16", "resnet38", "lenet",
        "segformer", "daformer", "hrda", "vit-linear", "vit-upernet",
    ] = "small"  # fmt: skip
    encoder: Encoder = Field(
        "mobilenet-v3-small", description="of `small` and of the transformers; `roundabout models` lists them"
    )
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
        takes = ENCODERS_OF.get(self.architecture)
        if takes is not None and not self.encoder.startswith(takes[0]):
            raise ValueError(f"encoder: {self.architecture} takes {takes[1]}")
        if self.architecture == "small" and self.encoder.startswith("mit-"):
            raise ValueError(f"encoder: small does not take {self.encoder}")
        if self.heads != 1 and (takes or self.architecture in ("fcn8s-vgg16", "resnet38", "lenet")):
            raise ValueError(f"heads: {self.architecture} has one")
        return self
