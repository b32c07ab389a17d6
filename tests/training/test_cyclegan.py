"""CycleGAN: its losses by hand, a planted shift that it undoes, and that a resumed run is the same run.

# N batch, H/W pixels
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from pipeline.common.device import select_device
from pipeline.common.labels import IGNORE
from pipeline.models.base import PREPROCESSINGS, SegmentationModel
from pipeline.params import CycleganTranslation, Optimiser
from pipeline.training.batches import Batch, Labelled, Sample, Stream
from pipeline.training.cyclegan.objective import (
    CycleGanObjective,
    Discriminators,
    Generators,
    Weights,
    least_squares,
    scaled,
    to_bytes,
)
from pipeline.training.cyclegan.pool import ImagePool
from pipeline.training.cyclegan.run import new_players
from pipeline.training.cyclegan.semantics import Semantics
from pipeline.training.loop import Adversary, Plan, train, training_step
from pipeline.training.objectives import Term
from pipeline.training.optimisation import make_optimiser

CPU = select_device("cpu", "float32")
SIZE = (32, 32)


# ------------------------------------------------------------------------------------------------------ losses by hand


class Times(nn.Module):
    """Images times a number: a generator, or a discriminator, that can be reckoned with."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = nn.Parameter(torch.tensor(factor))

    def forward(self, image_N3HW: Tensor) -> Tensor:
        return image_N3HW * self.factor


def flat(value: int, count: int = 1) -> Labelled:
    image_N3HW = torch.full((count, 3, 4, 4), value, dtype=torch.uint8)
    return Labelled(image_N3HW, torch.full((count, 4, 4), IGNORE, dtype=torch.uint8), ["flat"] * count)


def players() -> tuple[Generators, Discriminators]:
    pools = [ImagePool(0, (4, 4)) for _ in range(2)]
    return Generators(Times(0.5), Times(2.0)), Discriminators(Times(3.0), Times(1.0), *pools)


# Bytes 255 and 0 are 1 and -1.
BATCH = {"source": flat(255), "target": flat(0)}


def told(terms: Iterator[Term]) -> dict[str, float]:
    return {name: float(loss) for name, loss in terms}


def test_the_generators_losses_by_hand() -> None:
    generators, discriminators = players()
    found = told(CycleGanObjective(discriminators, Weights(cycle=10, identity=5)).generator_terms(generators, BATCH))
    assert found == {
        "source-to-target-deceive": pytest.approx((3 * 0.5 - 1) ** 2),  # D_Y(G(1)) = 1.5
        "source-to-target-cycle": pytest.approx(0.0),  # F(G(1)) = 1
        "source-to-target": pytest.approx(0.25),
        "target-to-source-deceive": pytest.approx((-2 - 1) ** 2),  # D_X(F(-1)) = -2
        "target-to-source-cycle": pytest.approx(0.0),
        "target-to-source": pytest.approx(9.0),
        "identity": pytest.approx(5 * (0.5 + 1.0)),  # |G(-1) + 1| = 0.5, |F(1) - 1| = 1
    }


def test_the_cycles_loss_by_hand() -> None:
    _, discriminators = players()
    generators = Generators(Times(0.5), Times(1.0))
    found = told(CycleGanObjective(discriminators, Weights(cycle=10, identity=0)).generator_terms(generators, BATCH))
    assert found["source-to-target-cycle"] == found["target-to-source-cycle"] == pytest.approx(10 * 0.5)
    assert "identity" not in found


def test_the_discriminators_losses_by_hand() -> None:
    generators, discriminators = players()
    objective = CycleGanObjective(discriminators, Weights(cycle=10, identity=5))
    told(objective.generator_terms(generators, BATCH))
    found = told(objective.discriminator_terms(generators, BATCH))
    # D_Y of the target's -1 is -3, of G(1) = 0.5 it is 1.5; D_X of the source's 1 is 1, of F(-1) = -2 it is -2
    assert found == {
        "discriminator-target": pytest.approx(((-3 - 1) ** 2 + 1.5**2) / 2),
        "discriminator-source": pytest.approx(((1 - 1) ** 2 + (-2) ** 2) / 2),
    }


def test_least_squares_are_a_mean() -> None:
    assert float(least_squares(torch.tensor([0.0, 3.0]), 1.0)) == pytest.approx((1 + 4) / 2)


def test_each_player_moves_its_own_networks_alone() -> None:
    generators, discriminators = players()
    objective = CycleGanObjective(discriminators, Weights(cycle=10, identity=5))
    optimisers = [torch.optim.SGD(module.parameters(), lr=0.01) for module in (generators, discriminators)]
    before = [[float(p.detach()) for p in module.parameters()] for module in (generators, discriminators)]
    training_step(generators, objective.generator_terms, BATCH, optimisers[0], None, CPU)
    between = [[float(p.detach()) for p in module.parameters()] for module in (generators, discriminators)]
    training_step(generators, objective.discriminator_terms, BATCH, optimisers[1], None, CPU)
    after = [[float(p.detach()) for p in module.parameters()] for module in (generators, discriminators)]
    assert between[0] != before[0]
    assert between[1] == before[1]
    assert after[0] == between[0]
    assert after[1] != between[1]


def test_the_generators_gradient_is_that_of_all_their_losses() -> None:
    """The terms that are told one by one add nothing: G = 0.5 is moved by d/dG of deceive, cycle and identity."""
    generators, discriminators = players()
    objective = CycleGanObjective(discriminators, Weights(cycle=0, identity=5))
    training_step(
        generators, objective.generator_terms, BATCH, torch.optim.SGD(generators.parameters(), lr=0.0), None, CPU
    )
    gradient = generators.to_target.factor.grad
    # (3G - 1)² gives 2·(3G - 1)·3 = 3; 5·|-G + 1| gives -5; the cycles have weight 0
    assert float(gradient) == pytest.approx(3 - 5)


def test_bytes_survive_scaling() -> None:
    every_byte = torch.arange(256, dtype=torch.uint8).view(1, 1, 16, 16).repeat(1, 3, 1, 1)
    assert torch.equal(to_bytes(scaled(every_byte)), every_byte)
    assert scaled(every_byte).min() == -1
    assert scaled(every_byte).max() == 1


# ------------------------------------------------------------------------------------------------------------ the pool


def test_a_pool_fills_first_and_then_hands_back_what_it_remembers() -> None:
    torch.manual_seed(1)
    pool = ImagePool(3, (1, 1))
    first = torch.arange(3.0).view(3, 1, 1, 1).repeat(1, 3, 1, 1)
    assert torch.equal(pool.exchange(first), first)
    handed = [float(pool.exchange(torch.full((1, 3, 1, 1), float(n)))[0, 0]) for n in range(3, 203)]
    earlier = sum(value != n for n, value in enumerate(handed, 3))
    assert 70 < earlier < 130  # even chances
    assert all(value <= n for n, value in enumerate(handed, 3))
    assert len(set(handed)) == len(handed)  # what is handed back is remembered no more


def test_a_pool_of_0_is_none() -> None:
    image = torch.rand(2, 3, 4, 4)
    assert ImagePool(0, (4, 4)).exchange(image) is image


# -------------------------------------------------------------------------------------------------------- semantic loss


class Painter(SegmentationModel):
    """Class scores that are red and green."""

    HEAD_PARTS = frozenset()

    def __init__(self) -> None:
        super().__init__(2, PREPROCESSINGS["lite-rgb"], None)

    def forward_with_front(self, input_N3HW: Tensor) -> tuple[Tensor, Tensor | None, tuple[Tensor, Tensor]]:
        return input_N3HW[:, :2], None, (input_N3HW, input_N3HW)

    def classifiers(self) -> list[nn.Conv2d]:
        return []


def test_meaning_is_the_normalised_logits_and_has_a_gradient() -> None:
    image = torch.tensor([-1.0, 1.0]).view(1, 1, 1, 2).repeat(1, 3, 1, 1).requires_grad_()
    semantics = Semantics(Painter())
    meaning = semantics.of(image)
    assert meaning[0, 0, 0].tolist() == pytest.approx([-1, 1], abs=1e-3)
    assert float(semantics.distance(image, -meaning.detach())) == pytest.approx(4, abs=1e-2)
    assert float(semantics.distance(image * 0.5 + 0.1, meaning.detach())) == pytest.approx(0, abs=1e-3)
    semantics.distance(image, torch.zeros_like(meaning)).backward()
    assert image.grad is not None
    assert not semantics.fixed(image).requires_grad


def test_the_semantic_losses_are_part_of_each_direction() -> None:
    generators, discriminators = Generators(Times(-1.0), Times(1.0)), players()[1]
    image = torch.tensor([0, 255], dtype=torch.uint8).view(1, 1, 1, 2).repeat(1, 3, 1, 1)
    batch = {name: Labelled(image, torch.zeros(1, 1, 2), ["it"]) for name in ("source", "target")}
    objective = CycleGanObjective(discriminators, Weights(0, 0, semantic=0.1, semantic_cycle=10), Semantics(Painter()))
    found = told(objective.generator_terms(generators, batch))
    assert found["source-to-target-semantic"] == pytest.approx(0.1 * 4, abs=1e-2)  # G turns the meaning round
    assert found["target-to-source-semantic"] == pytest.approx(0, abs=1e-3)  # F keeps it
    assert found["source-to-target-semantic-cycle"] == pytest.approx(10 * 4, abs=0.1)
    parts = ("deceive", "cycle", "semantic", "semantic-cycle")
    assert found["source-to-target"] == pytest.approx(sum(found[f"source-to-target-{part}"] for part in parts))


# -------------------------------------------------------------------------------------------- a planted shift, a resume


def picture(generator: np.random.Generator, tint: tuple[int, int, int]) -> np.ndarray:
    """Blocks of grey in a tint: what the domains have in common, and what tells them apart."""
    blocks = generator.integers(60, 180, (4, 4, 1)).repeat(8, axis=0).repeat(8, axis=1)
    return np.clip(blocks + generator.integers(-8, 8, (*SIZE, 3)) + np.array(tint), 0, 255).astype(np.uint8)


TINTS = {"source": (0, 0, 0), "target": (60, 0, -50)}


def sample_of(domain: str):
    def sample_at(index: int, generator: np.random.Generator) -> Sample:
        own = np.random.default_rng([index, len(domain)])
        return f"{index}", picture(own, TINTS[domain]), np.full(SIZE, IGNORE, np.uint8)

    return sample_at


def streams(batch: int) -> list[Stream]:
    return [Stream(domain, sample_of(domain), 12, batch, 1) for domain in ("source", "target")]


SETTINGS = CycleganTranslation(
    method="cyclegan", steps=6, batch=2, crop=SIZE, width=4, blocks=1, pool=4,
    optimiser=Optimiser(name="adam", learning_rate=2e-3, betas=(0.5, 0.999)),
)  # fmt: skip


def run(
    folder: Path, steps: int, *, dies_at: int | None = None, cycle: float = 10.0, checkpoint_every: int = 1000
) -> tuple[Generators, Discriminators]:
    generators, discriminators = new_players(SETTINGS, 1)
    objective = CycleGanObjective(discriminators, Weights(cycle, 0.5 * cycle))
    optimiser, other = (
        make_optimiser({"w": list(m.parameters())}, SETTINGS.optimiser) for m in (generators, discriminators)
    )
    adversary = Adversary(discriminators, objective.discriminator_terms, other, SETTINGS.schedule)
    left = [dies_at]

    def terms(model: Generators, batch: Batch) -> Iterator[Term]:
        if left[0] == 0:
            raise RuntimeError("killed")
        left[0] = None if left[0] is None else left[0] - 1
        yield from objective.generator_terms(model, batch)

    plan = Plan(steps, SETTINGS.schedule, None, checkpoint_every, log_every=2, threads=1, compile=False)
    train(generators, terms, streams(2), optimiser, plan, CPU, folder, name="t", seed=1, adversary=adversary)
    return generators, discriminators


def mean_colour(image_N3HW: Tensor) -> Tensor:
    return scaled(image_N3HW).mean(dim=(0, 2, 3))


def test_a_planted_shift_of_colour_is_made(tmp_path: Path) -> None:
    """What the generator makes of the source is closer to the target than the source is, and still shows the source."""
    generators, _ = run(tmp_path, 50)
    source, target = (stream.at(0).image_N3HW for stream in streams(12))
    with torch.no_grad():
        made = generators.eval().to_target(scaled(source))
    before = (mean_colour(source) - mean_colour(target)).abs().sum()
    after = (made.mean(dim=(0, 2, 3)) - mean_colour(target)).abs().sum()
    assert after < 0.5 * before
    green = [image[:, 1].flatten() for image in (made, scaled(source))]
    assert torch.corrcoef(torch.stack(green))[0, 1] > 0.8


def test_a_killed_run_ends_with_the_same_networks_pools_and_curves(tmp_path: Path) -> None:
    at_once = run(tmp_path / "at-once", 6, checkpoint_every=2)
    with pytest.raises(RuntimeError, match="killed"):
        run(tmp_path / "killed", 6, dies_at=5, checkpoint_every=2)
    resumed = run(tmp_path / "killed", 6, checkpoint_every=2)
    for one, other in zip(at_once, resumed, strict=True):
        states = one.state_dict(), other.state_dict()
        assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])
    assert int(at_once[1].target_pool.filled) == 4
    curves = [sorted((tmp_path / name / "live").rglob("*.tsv")) for name in ("at-once", "killed")]
    assert len(curves[0]) == len(curves[1]) > 7
    for one, other in zip(*curves, strict=True):
        assert one.read_text() == other.read_text(), one


def test_pieces_are_for_segmentation_networks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole, _ = run(tmp_path / "whole", 2)
    monkeypatch.setenv("ROUNDABOUT_MICRO_BATCHES", "2")
    cut, _ = run(tmp_path / "cut", 2)
    assert all(torch.equal(value, cut.state_dict()[name]) for name, value in whole.state_dict().items())
