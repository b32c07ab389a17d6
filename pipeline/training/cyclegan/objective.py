"""CycleGAN's objectives (Zhu et al., ICCV 2017): two generators against two discriminators."""

# N batch, H/W pixels

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from pipeline.training.batches import Batch
from pipeline.training.cyclegan.pool import ImagePool
from pipeline.training.cyclegan.semantics import Semantics
from pipeline.training.objectives import Term

REAL, FAKE = 1.0, 0.0
"""The discriminators' labels of images of their domain, and of translated ones."""


class Generators(nn.Module):
    """G: source to target, and F: target to source."""

    def __init__(self, to_target: nn.Module, to_source: nn.Module) -> None:
        super().__init__()
        self.to_target, self.to_source = to_target, to_source


class Discriminators(nn.Module):
    """D_Y, the discriminator of the target, and D_X, of the source, each with a pool of translated images."""

    def __init__(
        self, of_target: nn.Module, of_source: nn.Module, target_pool: ImagePool, source_pool: ImagePool
    ) -> None:
        super().__init__()
        self.of_target, self.of_source = of_target, of_source
        self.target_pool, self.source_pool = target_pool, source_pool


class Weights(NamedTuple):
    """λ of each loss beside the adversarial ones, which have 1."""

    cycle: float
    identity: float
    semantic: float = 0.0
    semantic_cycle: float = 0.0


class CycleGanObjective:
    """The objectives of both players; the discriminators' reads the images of the generators' step before."""

    def __init__(self, discriminators: Discriminators, weights: Weights, semantics: Semantics | None = None) -> None:
        self.discriminators, self._weights, self._semantics = discriminators, weights, semantics
        self._fakes: tuple[Tensor, Tensor] | None = None

    def generator_terms(self, model: Generators, batch: Batch) -> Iterator[Term]:
        """Yield Eq. 1 to 3 for both directions, and the identity loss (Sec. 5.2).

        Each direction is one term, because its losses share a graph; each loss is also yielded alone, detached.
        """
        self.discriminators.requires_grad_(False)
        source_N3HW, target_N3HW = scaled(batch["source"].image_N3HW), scaled(batch["target"].image_N3HW)
        fake_target_N3HW = yield from self._there_and_back(
            "source-to-target", source_N3HW, model.to_target, model.to_source, self.discriminators.of_target
        )
        fake_source_N3HW = yield from self._there_and_back(
            "target-to-source", target_N3HW, model.to_source, model.to_target, self.discriminators.of_source
        )
        self._fakes = (fake_target_N3HW, fake_source_N3HW)
        if self._weights.identity > 0:
            same_target = functional.l1_loss(model.to_target(target_N3HW).float(), target_N3HW)
            same_source = functional.l1_loss(model.to_source(source_N3HW).float(), source_N3HW)
            yield "identity", self._weights.identity * (same_target + same_source)

    def _there_and_back(
        self, name: str, image_N3HW: Tensor, there: nn.Module, back: nn.Module, discriminator: nn.Module
    ) -> Generator[Term, None, Tensor]:
        fake_N3HW = there(image_N3HW).float()
        cycled_N3HW = back(fake_N3HW).float()
        losses = {
            "deceive": least_squares(discriminator(fake_N3HW), REAL),
            "cycle": self._weights.cycle * functional.l1_loss(cycled_N3HW, image_N3HW),
        }
        if self._semantics is not None:
            meaning = self._semantics.fixed(image_N3HW)
            losses["semantic"] = self._weights.semantic * self._semantics.distance(fake_N3HW, meaning)
            losses["semantic-cycle"] = self._weights.semantic_cycle * self._semantics.distance(cycled_N3HW, meaning)
        for kind, loss in losses.items():
            yield f"{name}-{kind}", loss.detach()
        yield name, torch.stack(list(losses.values())).sum()
        detached: Tensor = fake_N3HW.detach()
        return detached

    def discriminator_terms(self, model: Generators, batch: Batch) -> Iterator[Term]:
        """Yield each domain's mean loss on its images and on translated ones, of now or earlier (the authors' code)."""
        assert self._fakes is not None, "the generators' terms must be computed first"
        (fake_target_N3HW, fake_source_N3HW), self._fakes = self._fakes, None
        discriminators = self.discriminators.requires_grad_(True)
        for domain, discriminator, pool, fake_N3HW in (
            ("target", discriminators.of_target, discriminators.target_pool, fake_target_N3HW),
            ("source", discriminators.of_source, discriminators.source_pool, fake_source_N3HW),
        ):
            real = least_squares(discriminator(scaled(batch[domain].image_N3HW)), REAL)
            fake = least_squares(discriminator(pool.exchange(fake_N3HW)), FAKE)
            yield f"discriminator-{domain}", (real + fake) / 2


def least_squares(score_N1hw: Tensor, label: float) -> Tensor:
    """Return the mean squared distance of the scores from a label (LSGAN, Mao et al., 2017)."""
    return (score_N1hw.float() - label).square().mean()


def scaled(image_N3HW: Tensor) -> Tensor:
    """Return bytes as float32 in [-1,1]."""
    return image_N3HW.float() / 127.5 - 1


def to_bytes(image_N3HW: Tensor) -> Tensor:
    """Return floats in [-1,1] as bytes."""
    return ((image_N3HW.float() + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)
