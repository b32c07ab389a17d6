"""Sections of the one training loop."""

from __future__ import annotations

from typing import Annotated, Literal, TypeVar

from pydantic import BeforeValidator, Field, field_validator, model_validator

from pipeline.common.section import NotNegative, Positive, Rate, Schedule, Section
from pipeline.params.photometric import NamedOrValues, Photometric


def _is_decay(value: object) -> object:
    """Refuse a value once, not once for each type that it might have been."""
    number = isinstance(value, float) and 0 < value < 1
    if not (number or (isinstance(value, str) and value in ("none", "auto"))):
        raise ValueError("must be none, auto, or a number between 0 and 1, such as 0.99")
    return value


Decay = Annotated[
    Literal["none", "auto"] | Annotated[float, Field(gt=0, lt=1)],  # for editors
    BeforeValidator(_is_decay),
]


def _is_weighting(value: object) -> object:
    """Refuse a value once, not once for each type that it might have been."""
    if not (value in ("none", "balanced") if isinstance(value, str) else isinstance(value, dict)):
        raise ValueError("must be none, balanced, or the weights of some classes, such as {crack: 4}")
    return value


ClassWeights = Annotated[
    Literal["none", "balanced"] | dict[str, Rate],  # for editors
    BeforeValidator(_is_weighting),
]


class Optimiser(Section):
    """Which optimiser, at which rates."""

    name: Literal["adam", "adamw", "sgd"] = "adamw"
    learning_rate: Rate = 1e-4
    head_factor: Rate = Field(1.0, description="times the learning rate for the head")
    bias_factor: Rate = Field(1.0, description="times the learning rate for biases")
    momentum: Annotated[float, Field(ge=0, lt=1)] = Field(0.9, description="SGD only")
    betas: tuple[Annotated[float, Field(ge=0, lt=1)], Annotated[float, Field(ge=0, lt=1)]] = (0.9, 0.999)
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    no_decay: Literal["none", "norm"] = Field(
        "none", description="norm: no weight decay where a parameter's name has norm in it, as in DAFormer's code"
    )


class Augmentation(Section):
    """Random changes to the images of a batch, applied with their labels."""

    flip: bool = True
    scale: tuple[Rate, Rate] = Field((1.0, 1.0), description="range of random zoom; the image keeps its size")
    colour: Annotated[float, Field(ge=0, le=1)] = Field(
        0.0, description="strength of brightness/contrast/white balance"
    )
    photometric: NamedOrValues = Field(
        "none",
        description="light, colour, blur and noise, after the changes above: none, mild, strong, or values "
        "({strength: strong, hue: 0.05})",
    )

    def photometric_values(self) -> Photometric | None:
        """Return the values of the photometric changes; None where there are none."""
        if isinstance(self.photometric, Photometric):
            return self.photometric
        return None if self.photometric == "none" else Photometric(strength=self.photometric)

    @field_validator("scale")
    @classmethod
    def _scale_rises(cls, scale: tuple[float, float]) -> tuple[float, float]:
        if scale[0] > scale[1]:
            raise ValueError(f"goes from small to large: [{scale[1]}, {scale[0]}]")
        return scale


class Training(Section):
    """What the one training loop needs to know; `pretrain` and `adapt` each have one."""

    steps: Positive | None = None
    epochs: Rate | None = Field(None, description="instead of steps: passes over the (target) images")
    batch: Positive = 4
    optimiser: Optimiser = Optimiser()
    schedule: Schedule = Schedule()
    gradient_clip: Rate | None = Field(None, description="largest norm of the gradient")
    augmentation: Augmentation = Augmentation()
    class_weights: ClassWeights = Field(
        "none",
        description="of the classes in the cross entropy of labelled images: none, balanced (1 over the square root of "
        "a class's share of the pixels), or weights by name, 1 for the others ({crack: 4})",
    )
    ema: Decay = Field(
        "none",
        description="the result is an exponential moving average of the weights, with this decay; auto: over the last "
        "tenth of the steps, at least 50, and over half of them with a teacher; none: the weights after the last step",
    )

    @model_validator(mode="after")
    def _one_budget(self) -> Training:
        if (self.steps is None) == (self.epochs is None):
            raise ValueError("give either steps or epochs")
        return self


AnyTraining = TypeVar("AnyTraining", bound=Training)


class Adapt(Training):
    """Training in a round; ``batch`` counts target patches."""

    source_batch: NotNegative = Field(4, description="labelled source images beside each batch of patches")
