"""The table ``translations``: the source's images in the style of the target's, for initial models to learn from."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from pipeline.common.section import Positive, Schedule, Section, Weight
from pipeline.params.training import Augmentation, Optimiser, Training

# The discriminators halve their input three times, and normalise what is left.
Side = Annotated[int, Field(ge=32, strict=True)]


class ColourTranslation(Section):
    """Each channel of L*a*b* takes on the target's statistics, when an image is loaded."""

    method: Literal["colour"]
    statistic: Literal["moments", "histogram"] = Field(
        "moments", description="moments: mean and deviation (Reinhard et al., 2001); histogram: the whole distribution"
    )
    match: Literal["image", "domain"] = Field(
        "image",
        description="image: those of a target image drawn anew for each visit; domain: those of all target images, "
        "changing all source images alike",
    )


class FourierTranslation(Section):
    """FDA (Yang and Soatto, CVPR 2020): amplitudes of low frequencies, when an image is loaded."""

    method: Literal["fourier"]
    beta: Annotated[float, Field(ge=0, lt=0.5)] = Field(
        0.01, description="β: the highest frequency that changes, in cycles per pixel of the image's smaller side"
    )


class CycleganTranslation(Training):
    """CycleGAN (Zhu et al., ICCV 2017): trained generators, whose translated images are written as files."""

    method: Literal["cyclegan"]
    batch: Positive = 1
    optimiser: Optimiser = Field(
        Optimiser(name="adam", learning_rate=2e-4, betas=(0.5, 0.999)),
        description="of the generators, and of the discriminators",
    )
    schedule: Schedule = Schedule(name="poly", power=1.0, hold=0.5)
    augmentation: Augmentation = Field(Augmentation(), description="of the images that it trains on, before the crop")
    crop: tuple[Side, Side] = Field((256, 256), description="height, width of the random windows that it trains on")
    width: Positive = Field(64, description="channels of the first layer, of generators and discriminators")
    blocks: Positive = Field(9, description="residual blocks of a generator")
    pool: Annotated[int, Field(ge=0, strict=True)] = Field(
        50, description="translated images remembered for the discriminators; 0: only the latest"
    )
    lambda_cycle: Weight = Field(10.0, description="weight of the cycle's loss")
    lambda_identity: Weight = Field(
        0.5, description="weight of the identity's loss, times lambda_cycle; 0 leaves it out"
    )
    segmentation: str | None = Field(
        None, description="a model file that holds the meaning of images fast (BDL's semantic loss); default: none"
    )
    lambda_semantic: Weight = Field(0.1, description="weight of that loss between an image and its translation")
    lambda_semantic_cycle: Weight = Field(10.0, description="and between an image and its way there and back")


AnyTranslation = Annotated[ColourTranslation | FourierTranslation | CycleganTranslation, Field(discriminator="method")]
