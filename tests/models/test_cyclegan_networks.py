"""CycleGAN's networks: the published sizes, the authors' names, and where the first weights come from.

# N batch, H/W pixels
"""

from __future__ import annotations

import pytest
import torch

from pipeline.models.cyclegan import discriminator, generator


def random(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def size(network: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def test_the_published_networks_have_their_published_sizes() -> None:
    with torch.device("meta"):
        from pipeline.models.cyclegan import Generator

        assert size(Generator(64, 9)) == 11_378_179
    assert size(discriminator(64, random())) == 2_764_737


def test_weights_have_the_names_of_the_authors_code() -> None:
    names = list(generator(4, 2, random()).state_dict())
    assert names[:6] == [f"model.{layer}.{kind}" for layer in (1, 4, 7) for kind in ("weight", "bias")]
    assert names[6:10] == [f"model.10.conv_block.{layer}.{kind}" for layer in (1, 5) for kind in ("weight", "bias")]
    assert names[14:] == [f"model.{layer}.{kind}" for layer in (12, 15, 19) for kind in ("weight", "bias")]
    wanted = [f"model.{layer}.{kind}" for layer in (0, 2, 5, 8, 11) for kind in ("weight", "bias")]
    assert list(discriminator(4, random()).state_dict()) == wanted


@pytest.mark.parametrize("sides", [(32, 64), (33, 46), (35, 47)])
@torch.no_grad()
def test_an_image_keeps_its_size_and_range(sides: tuple[int, int]) -> None:
    image_N3HW = torch.rand(2, 3, *sides) * 2 - 1
    made_N3HW = generator(4, 1, random())(image_N3HW)
    assert made_N3HW.shape == image_N3HW.shape
    assert made_N3HW.abs().max() <= 1


def test_a_score_sees_a_window_of_70_pixels() -> None:
    network = discriminator(2, random())
    for module in network.modules():
        if isinstance(module, torch.nn.InstanceNorm2d):
            module.eval()
            module.forward = lambda feature: feature  # type: ignore[method-assign]  # it looks at the whole image
    image = torch.zeros(1, 3, 160, 160, requires_grad=True)
    score = network(image)
    middle = score.shape[-1] // 2
    score[0, 0, middle, middle].backward()
    assert image.grad is not None
    seen = image.grad.abs().sum(dim=(0, 1)).nonzero()
    assert (seen.max(dim=0).values - seen.min(dim=0).values + 1).tolist() == [70, 70]


@torch.no_grad()
def test_the_smallest_window_that_params_allow_has_a_score() -> None:
    assert discriminator(2, random())(torch.zeros(1, 3, 32, 32)).shape == (1, 1, 2, 2)


def test_first_weights_come_from_the_given_generator_alone() -> None:
    before = torch.get_rng_state()
    same, again, other = (generator(4, 1, random(seed)).state_dict() for seed in (1, 1, 2))
    assert torch.equal(before, torch.get_rng_state())
    assert all(torch.equal(same[name], again[name]) for name in same)
    assert not torch.equal(same["model.1.weight"], other["model.1.weight"])
    assert same["model.1.bias"].abs().max() == 0
    assert float(generator(32, 1, random()).state_dict()["model.10.conv_block.1.weight"].std()) == pytest.approx(
        0.02, rel=0.02
    )
