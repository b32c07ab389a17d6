"""Weight of pseudo-labels: the share of pixels whose confidence reaches a threshold.

DACS (Tranheden et al., WACV 2021) gives every pseudo-labelled pixel this share as its weight, and so do DAFormer
(Hoyer et al., CVPR 2022, Sec. 3.1) and MIC. The papers write the share of one image; the released code takes one share
of the whole batch, so that an image's weight depends on its neighbours.
"""

# N batch, H/W pixels

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from pipeline.training.distributed import all_reduce_sum, count_of


def share_weights(confidence_NHW: Tensor, threshold: float, over: Literal["image", "batch"] = "image") -> Tensor:
    """Return a weight for each pixel (N,H,W) float32: the share of pixels with confidence >= ``threshold``.

    All pixels count in the share, ignored ones too, as in the released code; to give those weight 0 is the caller's.

    Args:
        confidence_NHW: the teacher's greatest probability.
        threshold: 0.968 in the papers.
        over: ``image`` takes the share of each image. ``batch`` takes one of the batches of all processes, as the
            released code does.
    """
    confident_NHW = confidence_NHW >= threshold
    if over == "image":
        share_N11 = confident_NHW.float().mean(dim=(1, 2), keepdim=True)
    else:
        share_N11 = (all_reduce_sum(confident_NHW.sum()) / count_of(confident_NHW)).view(1, 1, 1)
    return share_N11.float().expand(confidence_NHW.shape)


def inside_margins(size: tuple[int, int], margins: tuple[float, float], device: torch.device | str = "cpu") -> Tensor:
    """Return True (1,H,W) but in the rows within ``margins`` (top, bottom), fractions of the height.

    DAFormer ignores the first 15 and last 120 of 512 rows: the edge of the image and the own car. Rows are rounded.
    """
    height, width = size
    top, bottom = (round(margin * height) for margin in margins)
    inside_1HW = torch.zeros((1, height, width), dtype=torch.bool, device=device)
    inside_1HW[:, top : height - bottom] = True
    return inside_1HW
