"""What the methods' sections and their entries in the table ``rounds`` may say."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from pipeline.params.section import Fraction, Positive, Section, Weight
from pipeline.params.training import Discriminators


class WholeImages(Section):
    """How images with pseudo-labels are cut for training, of methods that do not cut patches of their own."""

    crops: Positive = Field(1, description="windows of each image")
    crop_size: tuple[Fraction, Fraction] = Field((1.0, 1.0), description="height, width as fractions of the image")


class Lse(Section):
    """Learning from Scale-Invariant Examples (Subhani and Ali, ECCV 2020)."""

    compat: Literal["paper", "author"]
    patches: Positive = Field(4, description="k random patches of each selected image")
    patch_size: tuple[Fraction, Fraction] = Field((0.5, 0.5), description="height, width as fractions of the image")
    focal_beta: Annotated[float, Field(ge=0)] = Field(0.1, description="weight of the focal term; 0 switches it off")
    focal_gamma: Annotated[float, Field(ge=0)] = 3.0
    focal_of: Literal["pixel", "mean"] = Field("pixel", description="mean: what the released code does with DeepLab")


class Cbst(WholeImages):
    """Class-Balanced Self-Training (Zou et al., ECCV 2018)."""

    compat: Literal["paper", "author"]
    mine_below: Annotated[float, Field(ge=0, le=1)] = Field(
        0.001, description="classes with a smaller share of the predicted pixels are mined: crops are centred on them"
    )
    mine_chance: Annotated[float, Field(ge=0, le=1)] = Field(0.8, description="of a crop to be centred on such a class")


class Cada(WholeImages):
    """Category-Adaptive Domain Adaptation."""

    compat: Literal["paper"]
    delta: Annotated[float, Field(ge=0)] = Field(0.0, description="Δ of Eq. 3, in nats; the paper gives no value")
    centroid: Literal["weighted", "mean", "literal"] = Field("weighted", description="reading of Eq. 1")


class Intrada(WholeImages):
    """Intra-domain Adaptation (Pan et al., CVPR 2020): from the easy images of the target to the hard ones."""

    compat: Literal["paper", "author"]
    normalise: bool = Field(False, description="rank by the entropy over the number of rare classes predicted")
    begin: Literal["init", "fresh"] = Field(
        "init", description="fresh: train a new network as `model` says (ImageNet weights, as the paper), not init's"
    )
    lambda_main: Weight = Field(0.001, description="weight of the alignment of the predictions; 0 leaves it out")
    lambda_auxiliary: Weight = Field(0.0002, description="of the auxiliary head's, where model.heads is 2")
    discriminators: Discriminators = Field(Discriminators(), description="how the discriminators learn")


class LseRound(Section):
    """One round of LSE."""

    method: Literal["lse"]
    init: str
    portion: Fraction = Field(description="share of the images in which a class is predicted")


class CbstRound(Section):
    """One round of CBST, or of ST with one threshold for all classes."""

    method: Literal["cbst"]
    init: str
    portion: Fraction = Field(description="share of the pixels predicted as a class")
    thresholds: Literal["per-class", "global"] = "per-class"
    source_portion: Fraction = Field(1.0, description="share of the source images trained on; grows with the rounds")
    spatial_prior: bool = Field(False, description="multiply with the source's spatial prior first (CBST-SP)")


class CadaRound(Section):
    """One round of CADA's self-training."""

    method: Literal["cada"]
    init: str


class IntradaRound(Section):
    """IntraDA's intra-domain step; its init is usually a start with an alignment."""

    method: Literal["intrada"]
    init: str
    easy: Fraction = Field(0.67, description="λ: share of the images held for easy; 1 is self-training on all")


Round = LseRound | CbstRound | CadaRound | IntradaRound
