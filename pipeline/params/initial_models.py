"""The table ``initial_models``: networks before the first round, by alignment."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Discriminator, Field, Tag, model_validator

from pipeline.common.section import ChangingEntry, Discriminators, Schedule, Weight

TARGET_LABELLED = "target-labelled"


class InitialModel(ChangingEntry):
    """A network before the first round, trained on labels."""

    CHANGES: ClassVar[str] = "pretrain"

    supervision: str = Field(
        description="the labelled images it learns from: source, a translation of the source by its name, or "
        "target-labelled, which is the oracle and never seen by adaptation"
    )
    pretrain: dict[str, Any] = Field(
        default_factory=dict,
        description="what this initial model changes of the section pretrain; steps replaces epochs, and the other way "
        "round",
    )

    @property
    def is_oracle(self) -> bool:
        """Whether it learns from labels of the target."""
        return self.supervision == TARGET_LABELLED


class PlainInitialModel(InitialModel):
    """An initial model that learns from labels alone."""

    alignment: Literal["none"] = Field("none", description="no alignment: the target's images are not looked at")
    weights: str | None = Field(
        None,
        description="a checkpoint that is this initial model as it is: nothing is trained (roundabout checkpoint info)",
    )

    @model_validator(mode="after")
    def _a_checkpoint_is_not_trained(self) -> PlainInitialModel:
        if self.weights is not None and self.pretrain:
            raise ValueError("weights: this checkpoint is taken as it is, so pretrain changes nothing; leave one out")
        return self


class AlignedInitialModel(InitialModel):
    """An initial model that also looks at the target's images, without labels. A weight of 0 leaves its term out."""

    lambda_main: Weight = Field(0.001, description="weight of the term on the predictions")
    lambda_auxiliary: Weight = Field(
        0.0002, description="weight of the term on the auxiliary head's predictions, where model.heads is 2"
    )

    @model_validator(mode="after")
    def _learns_from_the_source(self) -> AlignedInitialModel:
        if self.is_oracle:
            raise ValueError("an oracle has the target's labels: say alignment: none, or supervision: source")
        return self


class MinEntInitialModel(AlignedInitialModel):
    """MinEnt (Vu et al., "ADVENT", CVPR 2019): certain predictions on the target."""

    alignment: Literal["minent"] = Field(description="makes the entropy of the target's predictions small")


class AdventInitialModel(AlignedInitialModel):
    """AdvEnt (Vu et al., "ADVENT", CVPR 2019): discriminators of weighted self-information."""

    alignment: Literal["advent"] = Field(description="discriminators see -p log p of the up-sampled predictions")
    discriminators: Discriminators = Field(Discriminators(), description="how the discriminators learn")


class AdaptSegNetInitialModel(AlignedInitialModel):
    """AdaptSegNet (Tsai et al., CVPR 2018): discriminators of class probabilities."""

    alignment: Literal["adaptsegnet"] = Field(description="discriminators see the up-sampled class probabilities")
    gan: Literal["vanilla", "ls"] = Field(
        "vanilla",
        description="binary cross entropy, or squared error (LS-GAN), where lambda_main is 0.01 and lambda_auxiliary 0 "
        "unless the file says otherwise: the authors' weights, of one level",
    )
    discriminators: Discriminators = Field(Discriminators(), description="how the discriminators learn")

    @model_validator(mode="before")
    @classmethod
    def _least_squares_have_other_weights(cls, raw: Any) -> Any:
        squared = isinstance(raw, dict) and raw.get("gan") == "ls"
        return {"lambda_main": 0.01, "lambda_auxiliary": 0.0, **raw} if squared else raw


class StyleDiscriminators(Discriminators):
    """How CADA's discriminators learn: their rate falls evenly, to a tenth in 50 000 steps."""

    schedule: Schedule | None = Field(
        Schedule(name="exponential"), description="how the rate falls; null: as pretrain.schedule says"
    )


class StyleInitialModel(AlignedInitialModel):
    """CADA's first phase (Wang et al., 2021): the style of two front blocks, and class probabilities."""

    alignment: Literal["style"] = Field(description="statistics of front features and class probabilities are aligned")
    lambda_auxiliary: Weight = Field(
        0.0,
        description="weight of the term on the auxiliary head's predictions, where model.heads is 2; "
        "the paper's network has one head",
    )
    lambda_style: Weight = Field(0.001, description="weight of the term on the style of each front block")
    style_statistic: Literal["adversarial", "gram", "mean-std"] = Field(
        "adversarial",
        description="adversarial: discriminators of channel means; gram, mean-std: squared error (the paper's Table 3)",
    )
    discriminators: StyleDiscriminators = Field(StyleDiscriminators(), description="how the discriminators learn")


def _alignment_of(initial: Any) -> str:
    """Return the alignment that an initial model names; anything but a mapping is refused as a plain initial model."""
    return str(initial.get("alignment", "none")) if isinstance(initial, dict) else getattr(initial, "alignment", "none")


INITIAL_MODELS: tuple[type[InitialModel], ...] = (
    PlainInitialModel, MinEntInitialModel, AdventInitialModel, AdaptSegNetInitialModel, StyleInitialModel,
)  # fmt: skip
AnyInitialModel = Annotated[
    Annotated[PlainInitialModel, Tag("none")]
    | Annotated[MinEntInitialModel, Tag("minent")]
    | Annotated[AdventInitialModel, Tag("advent")]
    | Annotated[AdaptSegNetInitialModel, Tag("adaptsegnet")]
    | Annotated[StyleInitialModel, Tag("style")],
    Discriminator(_alignment_of),
]
