"""Photometric augmentation: how far light, colour and sharpness of an image may change, by a name or value by value."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag, field_validator, model_validator

from pipeline.common.section import Rate, Section

Strength = Literal["none", "mild", "strong"]
Chance = Annotated[float, Field(ge=0, le=1, strict=True)]
Quality = Annotated[int, Field(ge=1, le=100, strict=True)]
Sigma = Annotated[Rate, Field(le=16)]

_OFF: dict[str, Any] = dict.fromkeys(
    ("contrast", "channel", "brightness", "saturation", "gamma_chance", "grey_chance", "blur_chance", "noise_chance"),
    0.0,
)
_STRENGTHS: dict[str, dict[str, Any]] = {
    "none": _OFF,
    "mild": {
        "contrast": 0.25, "channel": 0.1, "brightness": 0.25, "saturation": 0.25, "gamma": 0.25, "grey_chance": 0.05,
        "blur_sigma": (0.3, 1.0), "blur_chance": 0.2, "noise": 4.0, "noise_chance": 0.2,
    },
    "strong": {},
}  # fmt: skip
"""Values that differ from the defaults, which are those of ``strong``."""

_CHANCES = {
    "gamma": "gamma_chance",
    "blur_sigma": "blur_chance",
    "noise": "noise_chance",
    "jpeg_quality": "jpeg_chance",
}


class Photometric(Section):
    """Random changes of an image's light, colour and sharpness, in the order of the keys; its label stays as it is."""

    strength: Strength = Field("strong", description="where the values begin that are not named here")
    contrast: Chance = Field(0.5, description="gain of all bytes about 128: a factor of 1 ± so much")
    channel: Chance = Field(0.25, description="gain of each channel of its own, times that: a factor of 1 ± so much")
    brightness: Chance = Field(0.5, description="offset of all bytes: ± so much, times 128")
    gamma: Annotated[float, Field(ge=0, le=2, strict=True)] = Field(
        0.5, description="exponent of the bytes as shares of 255: exp(± so much)"
    )
    gamma_chance: Chance = Field(0.5, description="share of the images whose gamma changes")
    saturation: Chance = Field(0.5, description="distance of each pixel from its grey: a factor of 1 ± so much")
    hue: Annotated[float, Field(ge=0, le=0.5, strict=True)] = Field(
        0.0, description="turn of the colours about the axis of greys (in YIQ): ± so much of a full circle"
    )
    grey_chance: Chance = Field(0.2, description="share of the images that lose their colours")
    blur_sigma: tuple[Sigma, Sigma] = Field(
        (0.3, 1.5),
        description="range of the Gaussian's σ, in pixels of the image as the network sees it; the default suits "
        "heights of about 80 to 130: make it larger with the image",
    )
    blur_chance: Chance = Field(0.5, description="share of the images that are blurred")
    noise: Annotated[float, Field(ge=0, le=64, strict=True)] = Field(
        8.0, description="largest σ of the Gaussian noise that is added to each byte, in bytes; drawn from 0 on"
    )
    noise_chance: Chance = Field(0.5, description="share of the images with noise")
    jpeg_quality: tuple[Quality, Quality] = Field((40, 95), description="range of the quality of a JPEG, 1 to 100")
    jpeg_chance: Chance = Field(0.0, description="share of the images that are written as a JPEG and read again")

    @model_validator(mode="before")
    @classmethod
    def _begin_at_strength(cls, given: Any) -> Any:
        """Fill the values that are not named with those of the strength.

        Raises:
            ValueError: a value has no effect because its chance, which is not named, is 0.
        """
        if not isinstance(given, dict):
            return given
        strength = given.get("strength", "strong")
        filled = _STRENGTHS.get(strength, {}) if isinstance(strength, str) else {}
        filled = {**filled, **given}
        for name, chance in _CHANCES.items():
            if name in given and chance not in given and filled.get(chance, cls.model_fields[chance].default) == 0:
                raise ValueError(f"{name} has no effect where {chance} is 0; name {chance}, too")
        return filled

    @field_validator("blur_sigma", "jpeg_quality")
    @classmethod
    def _range_rises(cls, limits: tuple[float, float]) -> tuple[float, float]:
        if limits[0] > limits[1]:
            raise ValueError(f"goes from small to large: [{limits[1]}, {limits[0]}]")
        return limits


def _tag(value: Any) -> str:
    return "(values)" if isinstance(value, dict | Photometric) else "(name)"


PHOTOMETRIC_TAGS = ("(name)", "(values)")
"""Steps that pydantic adds to the place of a mistake and that the file does not have."""
NamedOrValues = Annotated[
    Annotated[Strength, Tag("(name)")] | Annotated[Photometric, Tag("(values)")], Discriminator(_tag)
]
