"""From an initial model's entry in params.yaml to its alignment, and to the discriminators with their optimiser."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

import torch

from pipeline.training.alignment.alignment import Alignment
from pipeline.training.alignment.methods import Levels, adaptsegnet, advent, minent, style
from pipeline.training.loop import Adversary
from pipeline.training.optimisation import make_adam

if TYPE_CHECKING:
    from pipeline.params import AnyInitialModel, Discriminators, Schedule


def alignment_of(initial: AnyInitialModel, classes: int, heads: int, seed: int) -> Alignment | None:
    """Return the alignment of an entry, on as many levels as the network has heads; None if nothing is aligned."""
    if initial.alignment == "none":
        return None
    levels = Levels(initial.lambda_main, initial.lambda_auxiliary if heads == 2 else 0.0)
    generator = discriminator_generator(seed)
    if initial.alignment == "minent":
        alignment = minent(levels)
    elif initial.alignment == "advent":
        alignment = advent(levels, classes, generator, network=initial.discriminators.network)
    elif initial.alignment == "adaptsegnet":
        alignment = adaptsegnet(levels, classes, generator, gan=initial.gan, network=initial.discriminators.network)
    else:
        alignment = style(
            levels,
            classes,
            generator,
            weight=initial.lambda_style,
            statistic=initial.style_statistic,
            network=initial.discriminators.network,
        )
    return alignment if alignment.losses else None


def discriminator_generator(seed: int) -> torch.Generator:
    """Return the generator of the discriminators' initial weights; the network's has another seed."""
    return torch.Generator().manual_seed(zlib.crc32(f"{seed}/discriminators".encode()))


def adversary_of(alignment: Alignment, initial: AnyInitialModel, schedule: Schedule) -> Adversary | None:
    """Return the discriminators of an entry's alignment; ``schedule`` holds unless the entry has one of its own."""
    if initial.alignment == "none" or initial.alignment == "minent":
        return None
    return make_adversary(alignment, initial.discriminators, schedule)


def make_adversary(alignment: Alignment, settings: Discriminators, schedule: Schedule) -> Adversary | None:
    """Return the discriminators of an alignment with their optimiser; None if it has none."""
    if not alignment.discriminators:
        return None
    optimiser = make_adam(alignment.discriminators.parameters(), settings.learning_rate, settings.betas)
    return Adversary(alignment.discriminators, alignment.discriminator_terms, optimiser, settings.schedule or schedule)
