"""Photometric augmentation: random changes of an image's light, colour and sharpness; its label stays as it is.

What one image gets is drawn first, as plain numbers (a Change), and done afterwards, by the same code on a CPU and on a
GPU. Bytes become floats once and are rounded once. The colours' turns and mixtures are one matrix; the Gaussian is a
sum of shifted images, since a convolution of three channels costs twice as much on a CPU.
"""

# H/W pixels, 3 channels (red, green, blue)

from __future__ import annotations

import io
import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional

if TYPE_CHECKING:
    from pipeline.params import Augmentation

GREY_3 = np.array([0.299, 0.587, 0.114])
"""Share of each channel in a pixel's grey (ITU-R BT.601)."""
# The other two axes of YIQ: what a turn of the hue mixes.
_YIQ_33 = np.array([GREY_3, [0.596, -0.274, -0.322], [0.211, -0.523, 0.312]])
_RGB_33 = np.linalg.inv(_YIQ_33)
_DRAWS = 17


class Change(NamedTuple):
    """What one image gets, in this order; a pure function of the image on one device."""

    gain_3: tuple[float, ...]
    """Of the bytes, about 128."""
    offset: float
    """In bytes."""
    gamma: float
    """Exponent of the bytes as shares of 255."""
    colour_33: tuple[tuple[float, ...], ...]
    """From the three channels to the three channels: saturation, hue, grey."""
    blur: float
    """The Gaussian's σ in pixels; 0: none."""
    noise: float
    """σ in bytes; 0: none."""
    seed: int
    """Of the noise."""
    quality: int
    """Of a JPEG; 0: none."""

    def __call__(self, image_3HW: Tensor) -> Tensor:
        """Return the changed image (3,H,W) uint8 on the image's device."""
        value_3HW = self._light(image_3HW.to(torch.float32, memory_format=torch.contiguous_format))
        value_3HW = self._colours(value_3HW)
        if self.blur > 0:
            value_3HW = gaussian_blur(value_3HW, self.blur)
        if self.noise > 0:
            generator = torch.Generator(value_3HW.device).manual_seed(self.seed)
            noise_3HW = torch.randn(value_3HW.shape, generator=generator, device=value_3HW.device)
            value_3HW = noise_3HW.mul_(self.noise).add_(value_3HW)
        changed_3HW = value_3HW.round_().clamp_(0, 255).to(torch.uint8)
        return _through_jpeg(changed_3HW, self.quality) if self.quality else changed_3HW

    def of_array(self, image_HW3: np.ndarray) -> np.ndarray:
        """Return the changed image (H,W,3) uint8."""
        image_3HW = torch.from_numpy(np.array(image_HW3)).permute(2, 0, 1)  # a copy: PyTorch warns of read-only ones
        return self(image_3HW).permute(1, 2, 0).contiguous().numpy()

    def _light(self, value_3HW: Tensor) -> Tensor:
        """Change gain, offset and gamma of an image of floats, in place."""
        gain_311 = value_3HW.new_tensor(self.gain_3)[:, None, None]
        value_3HW.sub_(128).mul_(gain_311).add_(128 + self.offset).clamp_(0, 255)
        if self.gamma != 1:  # exp and log are twice as fast as pow; black stays black: exp(-inf)
            value_3HW.div_(255).log_().mul_(self.gamma).exp_().mul_(255)
        return value_3HW

    def _colours(self, value_3HW: Tensor) -> Tensor:
        matrix_33 = value_3HW.new_tensor(self.colour_33)
        return (matrix_33 @ value_3HW.flatten(1)).view_as(value_3HW).clamp_(0, 255)


class Photometric(NamedTuple):
    """How far the images change: the values of ``photometric`` in params.yaml, where they are described."""

    contrast: float
    channel: float
    brightness: float
    gamma: float
    gamma_chance: float
    saturation: float
    hue: float
    grey_chance: float
    blur_sigma: tuple[float, float]
    blur_chance: float
    noise: float
    noise_chance: float
    jpeg_quality: tuple[int, int]
    jpeg_chance: float

    def draw(self, generator: np.random.Generator) -> Change:
        """Return the change of one image; it takes as many numbers from the generator whatever the values are."""
        share: Iterator[float] = iter(generator.random(_DRAWS).tolist())

        def around(centre: float, width: float) -> float:
            return centre + width * (2 * next(share) - 1)

        def between(limits: tuple[float, float]) -> float:
            return limits[0] + (limits[1] - limits[0]) * next(share)

        def happens(chance: float) -> bool:
            return next(share) < chance

        contrast = around(1, self.contrast)
        gain_3 = tuple(contrast * around(1, self.channel) for _ in range(3))
        offset = 128 * around(0, self.brightness)
        gamma = math.exp(happens(self.gamma_chance) * around(0, self.gamma))
        saturation, hue, grey = around(1, self.saturation), around(0, self.hue), happens(self.grey_chance)
        blur = happens(self.blur_chance) * between(self.blur_sigma)
        noise = happens(self.noise_chance) * between((0, self.noise))
        seed = int(next(share) * 2**53)
        quality = happens(self.jpeg_chance) * round(between(self.jpeg_quality))
        colour_33 = tuple(map(tuple, _colour_matrix(0.0 if grey else saturation, hue).tolist()))
        return Change(gain_3, offset, gamma, colour_33, blur, noise, seed, quality)


def photometric_of(augmentation: Augmentation, *, noise_and_blur: float = 1.0) -> Photometric | None:
    """Return the photometric changes that a section asks for, None where it asks for none.

    ``noise_and_blur`` multiplies the chances of noise and blur: images that are mixed of two have less of both.
    """
    section = augmentation.photometric_values()
    if section is None:
        return None
    values = Photometric(**section.model_dump(exclude={"strength"}))
    return values._replace(
        blur_chance=noise_and_blur * values.blur_chance, noise_chance=noise_and_blur * values.noise_chance
    )


def gaussian_blur(value_3HW: Tensor, sigma: float) -> Tensor:
    """Return an image of floats under a Gaussian of σ pixels, cut at 3 σ; outside, its border goes on."""
    radius = math.ceil(3 * sigma)
    weights = [math.exp(-((step / sigma) ** 2) / 2) for step in range(radius + 1)]
    total = 2 * sum(weights) - weights[0]
    padded = functional.pad(value_3HW[None], (radius, radius, radius, radius), mode="replicate")[0]
    shares = [weight / total for weight in weights]
    return _weighted_shifts(_weighted_shifts(padded, shares, -2), shares, -1)


def _weighted_shifts(value_3HW: Tensor, shares: list[float], dimension: int) -> Tensor:
    """Return the sum of the image moved along a dimension by ± 0, 1, …, each times its share; without its margins."""
    radius = len(shares) - 1
    length = value_3HW.shape[dimension] - 2 * radius
    summed_3HW = value_3HW.narrow(dimension, radius, length) * shares[0]
    for step, share in enumerate(shares[1:], start=1):
        for start in (radius - step, radius + step):
            summed_3HW.add_(value_3HW.narrow(dimension, start, length), alpha=share)
    return summed_3HW


def _colour_matrix(saturation: float, hue: float) -> np.ndarray:
    """Return the matrix (3,3) that turns colours by a share of a circle and moves them to or from their grey."""
    angle = 2 * math.pi * hue
    turned_33 = np.eye(3)
    turned_33[1:, 1:] = [[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]]
    turned_33[1:] *= saturation
    changed_33: np.ndarray = _RGB_33 @ turned_33 @ _YIQ_33
    return changed_33


def _through_jpeg(image_3HW: Tensor, quality: int) -> Tensor:
    """Write an image as a JPEG and read it again; always on the CPU."""
    file = io.BytesIO()
    Image.fromarray(image_3HW.permute(1, 2, 0).contiguous().cpu().numpy()).save(file, "JPEG", quality=quality)
    image_HW3 = np.array(Image.open(file))
    return torch.from_numpy(image_HW3).permute(2, 0, 1).contiguous().to(image_3HW.device)
