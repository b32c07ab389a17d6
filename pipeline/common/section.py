"""What every part of params.yaml is made of: numbers with ranges, sections that refuse unknown keys, shared sections.

It is below the methods, whose files hold their own sections, and below ``pipeline.params``, which joins them all.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, SerializerFunctionWrapHandler, model_serializer

# Strict: YAML's `true` is no number, and neither is a quoted one.
Fraction = Annotated[float, Field(gt=0, le=1, strict=True)]
Positive = Annotated[int, Field(ge=1, strict=True)]
NotNegative = Annotated[int, Field(ge=0, strict=True)]
Rate = Annotated[float, Field(gt=0, strict=True, allow_inf_nan=False)]
Weight = Annotated[float, Field(ge=0, strict=True, allow_inf_nan=False)]
Beta = Annotated[float, Field(ge=0, lt=1, strict=True)]
Scale = Annotated[float, Field(ge=0.1, le=4, strict=True)]
Size = tuple[Annotated[int, Field(ge=16)], Annotated[int, Field(ge=16)]]
LabelId = Annotated[int, Field(ge=0, le=255)]
Crop = tuple[NotNegative, NotNegative, Positive, Positive]


class Section(BaseModel):
    """A part of params.yaml: immutable, and a key that is not known is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ChangingEntry(Section):
    """An entry of a table that may change a section for itself, in a field with the section's name."""

    CHANGES: ClassVar[str]
    """The section that it changes."""

    @model_serializer(mode="wrap")
    def _as_in_the_file(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave the changes out where there are none, as params.yaml does."""
        dumped: dict[str, Any] = dump(self)
        return {key: value for key, value in dumped.items() if key != self.CHANGES or value}


class Schedule(Section):
    """How the learning rate falls."""

    name: Literal["constant", "poly", "step", "exponential"] = "poly"
    power: Rate = 0.9
    warmup: NotNegative = 0
    hold: Annotated[float, Field(ge=0, lt=1)] = Field(0.0, description="share of the steps before poly begins to fall")
    total: Positive | None = Field(None, description="steps after which poly reaches 0; default: the stage's own steps")
    every: Positive = Field(
        50_000, description="step: multiply by 0.1 after so many steps; exponential: by as much, but evenly"
    )


# Five convolutions of stride 2 (pipeline/models/discriminators.py).
_SMALLEST_SIDE = 32


class Discriminators(Section):
    """What discriminators of predictions look at, and how all discriminators learn: with Adam."""

    network: Literal["patch", "image"] = Field(
        "patch",
        description="patch: convolutions that judge neighbourhoods (PatchGAN); image: three layers that judge the mean "
        "of an image's map, of a network with one answer for a whole image (lenet)",
    )
    learning_rate: Rate = Field(1e-4, description="Adam's")
    betas: tuple[Beta, Beta] = Field((0.9, 0.99), description="Adam's")
    schedule: Schedule | None = Field(None, description="how the rate falls; default: as pretrain.schedule says")

    def problem(self, height: int, width: int, whose: str) -> str | None:
        """Return why images of that size get no score, named as ``whose``; None where they get one."""
        if self.network != "patch" or min(height, width) >= _SMALLEST_SIDE:
            return None
        return (
            f"needs images of at least {_SMALLEST_SIDE}x{_SMALLEST_SIDE}, or discriminators: {{network: image}}, "
            f"and those of {whose} are {height}x{width}"
        )
