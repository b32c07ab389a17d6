"""CycleGAN's objectives (Zhu et al., ICCV 2017): two generators against two discriminators.

# N batch, H/W pixels
"""

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

REAL, MADE = 1.0, 0.0
"""What a discriminator should say of images of its domain, and of translated ones."""


class Generators(nn.Module):
    """G: source to target, and F: target to source."""

    def __init__(self, to_target: nn.Module, to_source: nn.Module) -> None:
        super().__init__()
        self.to_target, self.to_source = to_target, to_source


class Critics(nn.Module):
    """D_Y, the discriminator of the target, and D_X, of the source, each with a pool of images made for it."""

    def __init__(
        self, of_target: nn.Module, of_source: nn.Module, made_target: ImagePool, made_source: ImagePool
    ) -> None:
        super().__init__()
        self.of_target, self.of_source = of_target, of_source
        self.made_target, self.made_source = made_target, made_source


class Weights(NamedTuple):
    """λ of each loss beside the adversarial ones, which have 1."""

    cycle: float
    identity: float
    semantic: float = 0.0
    semantic_cycle: float = 0.0


class Game:
    """The objectives of both players; the critics' reads what the generators' has left for it."""

    def __init__(self, critics: Critics, weights: Weights, semantics: Semantics | None = None) -> None:
        self.critics, self._weights, self._semantics = critics, weights, semantics
        self._made: tuple[Tensor, Tensor] | None = None

    def generator_terms(self, model: Generators, batch: Batch) -> Iterator[Term]:
        """Eq. 1 to 3 for both directions, and the identity loss (Sec. 5.2). Each direction is one term, for its losses
        share a graph; they are told one by one, too."""
        self.critics.requires_grad_(False)
        source_N3HW, target_N3HW = scaled(batch["source"].image_N3HW), scaled(batch["target"].image_N3HW)
        made_target_N3HW = yield from self._there_and_back(
            "source-to-target", source_N3HW, model.to_target, model.to_source, self.critics.of_target
        )
        made_source_N3HW = yield from self._there_and_back(
            "target-to-source", target_N3HW, model.to_source, model.to_target, self.critics.of_source
        )
        self._made = (made_target_N3HW, made_source_N3HW)
        if self._weights.identity > 0:
            same_target = functional.l1_loss(model.to_target(target_N3HW).float(), target_N3HW)
            same_source = functional.l1_loss(model.to_source(source_N3HW).float(), source_N3HW)
            yield "identity", self._weights.identity * (same_target + same_source)

    def _there_and_back(
        self, name: str, image_N3HW: Tensor, there: nn.Module, back: nn.Module, critic: nn.Module
    ) -> Generator[Term, None, Tensor]:
        made_N3HW = there(image_N3HW).float()
        again_N3HW = back(made_N3HW).float()
        losses = {
            "deceive": least_squares(critic(made_N3HW), REAL),
            "cycle": self._weights.cycle * functional.l1_loss(again_N3HW, image_N3HW),
        }
        if self._semantics is not None:
            wanted = self._semantics.wanted(image_N3HW)
            losses["semantic"] = self._weights.semantic * self._semantics.distance(made_N3HW, wanted)
            losses["semantic-cycle"] = self._weights.semantic_cycle * self._semantics.distance(again_N3HW, wanted)
        for part, loss in losses.items():
            yield f"{name}-{part}", loss.detach()
        yield name, torch.stack(list(losses.values())).sum()
        detached: Tensor = made_N3HW.detach()
        return detached

    def critic_terms(self, model: Generators, batch: Batch) -> Iterator[Term]:
        """Each domain's images against those made for it, now or earlier; the mean of both, as in the authors' code."""
        assert self._made is not None, "the generators' terms come first"
        (made_target_N3HW, made_source_N3HW), self._made = self._made, None
        critics = self.critics.requires_grad_(True)
        for name, critic, image_N3HW, made_N3HW in (
            ("target", critics.of_target, batch["target"].image_N3HW, critics.made_target.exchange(made_target_N3HW)),
            ("source", critics.of_source, batch["source"].image_N3HW, critics.made_source.exchange(made_source_N3HW)),
        ):
            real = least_squares(critic(scaled(image_N3HW)), REAL)
            yield f"discriminator-{name}", (real + least_squares(critic(made_N3HW), MADE)) / 2


def least_squares(score_N1hw: Tensor, wanted: float) -> Tensor:
    """Mean squared distance of the scores (LSGAN, Mao et al., 2017)."""
    return (score_N1hw.float() - wanted).square().mean()


def scaled(image_N3HW: Tensor) -> Tensor:
    """Bytes to [-1,1]."""
    return image_N3HW.float() / 127.5 - 1


def to_bytes(image_N3HW: Tensor) -> Tensor:
    """[-1,1] to bytes."""
    return ((image_N3HW.float() + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)
