"""CycleGAN's networks: a generator from images to images, and a discriminator of windows of 70×70 pixels.

Zhu et al., "Unpaired Image-to-Image Translation using Cycle-Consistent Adversarial Networks", ICCV 2017, Sec. 7.2; the
weights have the names of the authors' PyTorch code (resnet_9blocks with deconvolutions, instance normalisation).
"""

# N batch, H/W pixels, h/w scores. Images are float32 in [-1,1], red, green, blue

from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional

Network = TypeVar("Network", bound=nn.Module)

_SLOPE = 0.2
_STANDARD_DEVIATION = 0.02
_STRIDE = 4
"""A generator halves its input twice."""


class ResidualBlock(nn.Module):
    """Two convolutions beside the identity."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv_block = nn.Sequential(
            nn.ReflectionPad2d(1), nn.Conv2d(channels, channels, 3), nn.InstanceNorm2d(channels), nn.ReLU(inplace=True),
            nn.ReflectionPad2d(1), nn.Conv2d(channels, channels, 3), nn.InstanceNorm2d(channels),
        )  # fmt: skip

    def forward(self, feature: Tensor) -> Tensor:
        """Return the feature plus the block's change; same shape."""
        changed: Tensor = feature + self.conv_block(feature)
        return changed


class Generator(nn.Module):
    """From images (N,3,H,W) in [-1,1] to images of the same size and range."""

    def __init__(self, width: int, blocks: int) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.ReflectionPad2d(3), nn.Conv2d(3, width, 7), *_normalised(width)]
        for channels in (width, 2 * width):
            layers += [nn.Conv2d(channels, 2 * channels, 3, stride=2, padding=1), *_normalised(2 * channels)]
        layers += [ResidualBlock(4 * width) for _ in range(blocks)]
        for channels in (4 * width, 2 * width):
            up = nn.ConvTranspose2d(channels, channels // 2, 3, stride=2, padding=1, output_padding=1)
            layers += [up, *_normalised(channels // 2)]
        self.model = nn.Sequential(*layers, nn.ReflectionPad2d(3), nn.Conv2d(width, 3, 7), nn.Tanh())

    def forward(self, image_N3HW: Tensor) -> Tensor:
        """Return the translated images; sides that are not multiples of 4 are padded by reflection, then cropped."""
        height, width = image_N3HW.shape[-2:]
        padding = (0, -width % _STRIDE, 0, -height % _STRIDE)
        translated: Tensor = self.model(functional.pad(image_N3HW, padding, mode="reflect"))
        return translated[..., :height, :width]


def generator(width: int, blocks: int, random: torch.Generator) -> Generator:
    """Return a freshly initialised generator on the CPU, from ``random`` alone; the paper's: width 64, 9 blocks."""
    with torch.device("meta"):
        network = Generator(width, blocks)
    return _initialised(network, random)


def discriminator(width: int, random: torch.Generator) -> nn.Module:
    """Return a network from images (N,3,H,W), H and W at least 24, to scores (N,1,h,w) of windows of 70×70 pixels.

    C64-C128-C256-C512 for a width of 64. Fresh weights, on the CPU, from ``random`` alone.
    """
    with torch.device("meta"):
        layers: list[nn.Module] = [nn.Conv2d(3, width, 4, 2, 1), nn.LeakyReLU(_SLOPE, inplace=True)]
        for channels, stride in ((width, 2), (2 * width, 2), (4 * width, 1)):
            convolution = nn.Conv2d(channels, 2 * channels, 4, stride, 1)
            layers += [convolution, nn.InstanceNorm2d(2 * channels), nn.LeakyReLU(_SLOPE, inplace=True)]
        network = nn.Sequential()
        network.add_module("model", nn.Sequential(*layers, nn.Conv2d(8 * width, 1, 4, 1, 1)))
    return _initialised(network, random)


def _normalised(channels: int) -> list[nn.Module]:
    return [nn.InstanceNorm2d(channels), nn.ReLU(inplace=True)]


def _initialised(network: Network, random: torch.Generator) -> Network:
    network.to_empty(device="cpu")
    for parameter in network.parameters():
        if parameter.ndim == 1:
            nn.init.zeros_(parameter)
        else:
            nn.init.normal_(parameter, 0.0, _STANDARD_DEVIATION, generator=random)
    return network
