"""Discriminators of two domains, on maps or on vectors of statistics.

`patch_discriminator` is that of AdaptSegNet (Tsai et al., CVPR 2018) and ADVENT (Vu et al., CVPR 2019), a PatchGAN
(Isola et al., CVPR 2017) without normalisation; its state-dict keys 0, 2, 4, 6, 8 are the authors'.
`channel_discriminator` is CADA's D_f (Wang et al., 2021), which the paper describes as four 1-D convolutions of
kernel 4 on channel means. Widths, strides and padding are not given; ours are those of the PatchGAN.

`image_discriminator` is that of ADDA (Tzeng et al., CVPR 2017) for digits: three layers on a vector of classes, here
with one score for two logits and LeakyReLU for ReLU.
"""

# N batch, C channels, H/W pixels, h/w scores, D feature channels, d scores along the channels

import math

import torch
from torch import nn

WIDTHS = (64, 128, 256, 512)
KERNEL, STRIDE, PADDING, SLOPE = 4, 2, 1, 0.2
IMAGE_WIDTH = 500


def patch_discriminator(channels: int, generator: torch.Generator, widths: tuple[int, ...] = WIDTHS) -> nn.Sequential:
    """Return a network from maps (N, C, H, W) to scores (N, 1, h, w).

    Each side is halved once more than there are widths: with the default ones it must have 32 pixels. The network is
    freshly initialised, on the CPU, from `generator` alone.
    """
    with torch.device("meta"):
        layers = [nn.Conv2d(*ends, KERNEL, STRIDE, PADDING) for ends in _ends(channels, widths)]
    return _initialised(layers, generator)


def channel_discriminator(generator: torch.Generator, widths: tuple[int, ...] = WIDTHS[:3]) -> nn.Sequential:
    """Return a network from one number per channel (N, 1, D) to scores (N, 1, d); D is at least 16.

    The network is freshly initialised, on the CPU, from `generator` alone.
    """
    with torch.device("meta"):
        layers = [nn.Conv1d(*ends, KERNEL, STRIDE, PADDING) for ends in _ends(1, widths)]
    return _initialised(layers, generator)


def image_discriminator(channels: int, generator: torch.Generator, width: int = IMAGE_WIDTH) -> nn.Sequential:
    """Return a network from one vector per image (N, C, 1, 1) to scores (N, 1, 1, 1); a map gets a score per pixel.

    The network is freshly initialised, on the CPU, from `generator` alone.
    """
    with torch.device("meta"):
        layers = [nn.Conv2d(*ends, 1) for ends in _ends(channels, (width, width))]
    return _initialised(layers, generator)


def discriminator_shapes(channels: int, widths: tuple[int, ...] = WIDTHS) -> dict[str, tuple[int, ...]]:
    """Return names and shapes of the state of a `patch_discriminator`."""
    shapes: dict[str, tuple[int, ...]] = {}
    for index, (before, after) in enumerate(_ends(channels, widths)):
        shapes[f"{2 * index}.weight"] = (after, before, KERNEL, KERNEL)
        shapes[f"{2 * index}.bias"] = (after,)
    return shapes


def _ends(channels: int, widths: tuple[int, ...]) -> list[tuple[int, int]]:
    """Return channels before and after each convolution; the last one gives a score."""
    return list(zip((channels, *widths), (*widths, 1), strict=True))


def _initialised(layers: list[nn.Conv2d] | list[nn.Conv1d], generator: torch.Generator) -> nn.Sequential:
    """Return the layers in a row, with LeakyReLU between them and torch's default initialisation."""
    modules: list[nn.Module] = []
    for layer in layers:
        layer.to_empty(device="cpu")
        nn.init.kaiming_uniform_(layer.weight, a=math.sqrt(5), generator=generator)
        bound = 1 / math.sqrt(layer.weight[0].numel())
        assert layer.bias is not None
        nn.init.uniform_(layer.bias, -bound, bound, generator=generator)
        modules += [layer, nn.LeakyReLU(SLOPE, inplace=True)]
    return nn.Sequential(*modules[:-1])
