"""LSE's scale-invariant examples: k random patches of an image, with pseudo-labels of the image's own scale.

# C class, H/W pixels of the image (and of a zoomed patch), h/w pixels of a patch before zooming
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from pipeline.common.box import Box
from pipeline.common.labels import IGNORE
from pipeline.methods.selection_file import Compat


def random_boxes(
    size: tuple[int, int], fraction: tuple[float, float], count: int, generator: np.random.Generator
) -> list[Box]:
    """Return ``count`` windows of a fraction of the image's height and width, placed uniformly (LSE Sec. 3.4, 4.1)."""
    height, width = (max(1, round(side * share)) for side, share in zip(size, fraction, strict=True))
    return [
        Box(
            int(generator.integers(0, size[0] - height + 1)),
            int(generator.integers(0, size[1] - width + 1)),
            height,
            width,
        )
        for _ in range(count)
    ]


def zoomed_pseudo_label(prob_CHW: Tensor, keep_HW: Tensor, box: Box, compat: Compat) -> np.ndarray:
    """Return R(P, rec) and R(F, rec): the window's pseudo-label at the image's size, (H,W) uint8, IGNORE = dropped.

    The class is the arg-max of the window's probabilities after bilinear zooming. Where the zoomed filter falls between
    0 and 1, ``paper`` keeps a pixel from one half on (the paper's F is binary); ``author`` keeps every pixel above
    exactly 0, which widens the trusted region by about a pixel, and zooms with aligned corners.
    """
    size = (prob_CHW.shape[-2], prob_CHW.shape[-1])
    aligned = compat == "author"
    window_1Chw = box.of(prob_CHW)[None]
    label_HW = functional.interpolate(window_1Chw, size, mode="bilinear", align_corners=aligned)[0].argmax(dim=0)
    filter_11hw = box.of(keep_HW)[None, None].float()
    filter_HW = functional.interpolate(filter_11hw, size, mode="bilinear", align_corners=aligned)[0, 0]
    trusted_HW = filter_HW > 0 if aligned else filter_HW >= 0.5
    label_HW[~trusted_HW] = IGNORE
    return label_HW.to(torch.uint8).numpy()
