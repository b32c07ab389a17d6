"""Random blocks of an image without content: masked image consistency (MIC).

Hoyer et al., "MIC: Masked Image Consistency for Context-Enhanced Domain Adaptation", CVPR 2023.
"""

# N batch, H/W pixels, h/w blocks

from __future__ import annotations

from torch import Tensor
from torch.nn import functional


def block_counts(size: tuple[int, int], block: int) -> tuple[int, int]:
    """Return the number of blocks (h,w) of an image (H,W): H/block and W/block rounded, at least 1.

    Halves are rounded to the even number, as the released code does with Python's ``round``; blocks then are a little
    larger or smaller than ``block`` pixels.
    """
    height, width = (max(1, round(length / block)) for length in size)
    return height, width


def block_mask(random_Nhw: Tensor, size: tuple[int, int], block: int, ratio: float) -> Tensor:
    """Return which pixels are kept (N,H,W) bool: those of blocks whose random number is greater than ``ratio``.

    Args:
        random_Nhw: numbers from U(0, 1), one for each of `block_counts` blocks of each image.
        size: of the image, in pixels.
        block: side of a block in pixels; 64 at 1024×1024 and 32 at 512×512 in the paper.
        ratio: expected share of masked blocks; 0.7 in the paper.

    Raises:
        ValueError: there is not one random number for each block.
    """
    if tuple(random_Nhw.shape[1:]) != block_counts(size, block):
        raise ValueError(
            f"random numbers of shape {tuple(random_Nhw.shape)} for {block_counts(size, block)} blocks of an image"
        )
    kept_N1hw = (random_Nhw > ratio).float()[:, None]
    return functional.interpolate(kept_N1hw, size=size, mode="nearest")[:, 0].bool()
