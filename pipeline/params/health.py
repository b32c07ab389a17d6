"""The section ``health``: what the verdict on a round looks at, and the limits by which it judges."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from pipeline.common.section import Fraction, Positive, Rate, Section, Weight


class Health(Section):
    """The verdict on each round without labels of the target."""

    images: Positive = Field(200, description="images of the target that it looks at, at most; evenly spaced")
    smallest_share: Annotated[float, Field(ge=0, lt=1, strict=True)] = Field(
        0.005, description="classes with less of the reference's pixels are too rare to be judged"
    )
    share_falls: Fraction = Field(0.3, description="fails: a class has less than so many times its reference share")
    share_grows: Annotated[float, Field(ge=1, strict=True, allow_inf_nan=False)] = Field(
        3.0, description="fails: a class has more than so many times its reference share"
    )
    share_divergence: Rate = Field(0.2, description="fails: Σ p ln(p / p of the reference) above so many nats")
    source_iou_drop: Weight = Field(0.03, description="fails: IoU on the held-back source falls by more")
    agreement_drop: Weight = Field(0.02, description="doubtful: agreement with the chain's ensemble falls by more")
    agreement_members: Annotated[int, Field(ge=2, strict=True)] = Field(
        3, description="networks in the ensemble below which it does not judge"
    )
    view_consistency_drop: Weight = Field(0.05, description="doubtful: IoU between mirrored views falls by more")
    pixels: Positive = Field(100, description="of each image, for the figures that never decide (SND and others)")
