"""Discriminators: the authors' numbers, shapes, and where the first weights come from.

# N batch, C channels, H/W pixels
"""

from math import sqrt
from zlib import crc32

import numpy as np
import pytest
import torch

from pipeline.models.discriminators import WIDTHS, channel_discriminator, image_discriminator, patch_discriminator
from tests.golden_values import checkpoint_keys, network_outputs


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_the_patch_discriminator_has_the_authors_keys_and_answers_their_scores() -> None:
    network = patch_discriminator(19, generator())
    ours = {key: list(value.shape) for key, value in network.state_dict().items()}
    assert ours == checkpoint_keys("discriminator")
    state = {}
    for key, shape in ours.items():  # the rule of the golden README
        drawn = torch.randn(shape, generator=generator(crc32(key.encode())))
        state[key] = 0.1 * drawn if len(shape) == 1 else drawn * sqrt(1 / np.prod(shape[1:]))
    network.load_state_dict(state)
    with torch.no_grad():
        answer, golden = network(network_outputs()["disc_input"]), network_outputs()["disc_output"]
    assert answer.shape == golden.shape
    assert float((answer - golden).abs().max() / golden.abs().max()) < 1e-4


def test_the_patch_discriminator_has_the_published_size_and_halves_five_times() -> None:
    network = patch_discriminator(19, generator())
    assert sum(parameter.numel() for parameter in network.parameters()) == 2_781_121
    with torch.no_grad():
        assert network(torch.zeros(1, 19, 512, 1024)).shape == (1, 1, 16, 32)
        assert network(torch.zeros(2, 19, 32, 33)).shape == (2, 1, 1, 1)
        with pytest.raises(RuntimeError, match="Kernel size"):
            network(torch.zeros(1, 19, 31, 64))


def test_fewer_widths_halve_less_often() -> None:
    with torch.no_grad():
        assert patch_discriminator(3, generator(), WIDTHS[:3])(torch.zeros(1, 3, 64, 96)).shape == (1, 1, 4, 6)


@pytest.mark.parametrize(("channels", "scores"), [(16, 1), (24, 1), (256, 16), (512, 32)])
def test_the_channel_discriminator_is_four_convolutions_of_kernel_four(channels: int, scores: int) -> None:
    network = channel_discriminator(generator())
    kernels = [layer.kernel_size for layer in network if isinstance(layer, torch.nn.Conv1d)]
    assert kernels == [(4,)] * 4
    with torch.no_grad():
        assert network(torch.zeros(2, 1, channels)).shape == (2, 1, scores)


def test_the_image_discriminator_has_adda_s_layers_and_one_score_for_an_image() -> None:
    network = image_discriminator(10, generator())
    assert sum(parameter.numel() for parameter in network.parameters()) == 10 * 500 + 500 + 500 * 500 + 500 + 500 + 1
    with torch.no_grad():
        assert network(torch.zeros(4, 10, 1, 1)).shape == (4, 1, 1, 1)


def test_first_weights_come_from_the_generator_alone() -> None:
    before = torch.get_rng_state()
    first, again, other = (patch_discriminator(3, generator(seed)) for seed in (1, 1, 2))
    assert torch.equal(before, torch.get_rng_state())
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), again.parameters(), strict=True))
    assert not any(torch.equal(a, b) for a, b in zip(first.parameters(), other.parameters(), strict=True))
    for layer in first:
        if isinstance(layer, torch.nn.Conv2d):  # torch's own rule: uniform within 1/√fan-in
            bound = 1 / sqrt(layer.weight[0].numel())
            assert 0.9 * bound < float(layer.weight.detach().abs().max()) <= bound
            assert float(layer.bias.detach().abs().max()) <= bound
