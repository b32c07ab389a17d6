"""What every part of params.yaml is made of: numbers with ranges, and sections that refuse unknown keys."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

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
