"""The published alignments. A weight of 0 leaves its loss out, with its discriminator."""

# N batch, C class, H/W pixels

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from pipeline.models.discriminators import (
    WIDTHS,
    channel_discriminator,
    image_discriminator,
    patch_discriminator,
)
from pipeline.training.alignment.adversarial import Adversarial, Gan
from pipeline.training.alignment.alignment import Alignment, AlignmentLoss
from pipeline.training.alignment.entropy import EntropyMinimisation, self_information
from pipeline.training.alignment.style import (
    MatchedStatistic,
    channel_means,
    channel_means_and_deviations,
    gram_matrix,
)
from pipeline.training.forward import Level, Outputs

StyleStatistic = Literal["adversarial", "gram", "mean-std"]
Network = Literal["patch", "image"]
"""Whether discriminators of predictions see the map, or its mean over the image."""

# CADA's D_c has scores at 1/16: a PatchGAN of four convolutions. That of AdaptSegNet and ADVENT has five.
_CADA_WIDTHS = WIDTHS[:3]
_FRONT_BLOCKS = (0, 1)
_STATISTICS: dict[str, Callable[[Tensor], Tensor]] = {"gram": gram_matrix, "mean-std": channel_means_and_deviations}


class Levels(NamedTuple):
    """Weights of the losses on a network's predictions; a network with one head has an auxiliary weight of 0."""

    main: float
    auxiliary: float

    def named(self) -> list[tuple[Level, float]]:
        """Return the levels whose weight is not 0."""
        levels: list[tuple[Level, float]] = [("main", self.main), ("auxiliary", self.auxiliary)]
        return [(level, weight) for level, weight in levels if weight > 0]


def minent(levels: Levels) -> Alignment:
    """Return entropy minimisation (ADVENT, Sec. 3.1)."""
    return Alignment({level: EntropyMinimisation(level, weight) for level, weight in levels.named()})


def advent(
    levels: Levels,
    classes: int,
    generator: torch.Generator,
    *,
    network: Network = "patch",
    labelled: str = "source",
    unlabelled: str = "target",
) -> Alignment:
    """Return discriminators of weighted self-information (ADVENT, Sec. 3.2; both steps of IntraDA)."""
    losses = _output_losses(levels, classes, generator, _self_information_of, "vanilla", WIDTHS, network)
    return Alignment(losses, labelled=labelled, unlabelled=unlabelled)


def adaptsegnet(
    levels: Levels, classes: int, generator: torch.Generator, *, gan: Gan, network: Network = "patch"
) -> Alignment:
    """Return discriminators of class probabilities (AdaptSegNet, Sec. 3)."""
    return Alignment(_output_losses(levels, classes, generator, _probabilities_of, gan, WIDTHS, network))


def style(
    levels: Levels,
    classes: int,
    generator: torch.Generator,
    *,
    weight: float,
    statistic: StyleStatistic,
    network: Network = "patch",
) -> Alignment:
    """Return a discriminator of class probabilities and the style of two front blocks (CADA, Sec. 2.1 and Eq. 5)."""
    losses = _output_losses(levels, classes, generator, _probabilities_of, "vanilla", _CADA_WIDTHS, network)
    blocks = _FRONT_BLOCKS if weight > 0 else ()
    for block in blocks:
        losses[f"style-{block + 1}"] = _style_loss(block, weight, statistic, generator)
    return Alignment(losses, front=bool(blocks))


def _output_losses(
    levels: Levels,
    classes: int,
    generator: torch.Generator,
    read: Callable[[Level, Outputs], Tensor],
    gan: Gan,
    widths: tuple[int, ...],
    network: Network,
) -> dict[str, AlignmentLoss]:
    if network == "image":
        return {
            level: Adversarial(
                weight, partial(_mean_over_image, partial(read, level)), image_discriminator(classes, generator), gan
            )
            for level, weight in levels.named()
        }
    return {
        level: Adversarial(weight, partial(read, level), patch_discriminator(classes, generator, widths), gan)
        for level, weight in levels.named()
    }


def _mean_over_image(read: Callable[[Outputs], Tensor], outputs: Outputs) -> Tensor:
    """Return (N,C,1,1); the very prediction of a network that has one for a whole image."""
    return read(outputs).mean(dim=(2, 3), keepdim=True)


def _style_loss(block: int, weight: float, statistic: StyleStatistic, generator: torch.Generator) -> AlignmentLoss:
    if statistic == "adversarial":
        return Adversarial(weight, partial(_channel_means_of, block), channel_discriminator(generator), "vanilla")
    return MatchedStatistic(block, _STATISTICS[statistic], weight)


def _self_information_of(level: Level, outputs: Outputs) -> Tensor:
    return self_information(outputs.prob(level))


def _probabilities_of(level: Level, outputs: Outputs) -> Tensor:
    return outputs.prob(level)


def _channel_means_of(block: int, outputs: Outputs) -> Tensor:
    assert outputs.front is not None
    return channel_means(outputs.front[block])
