"""ClassMix: pixels of some classes of a source image are pasted onto a target image (Olsson et al., WACV 2021; DACS).

# N batch, H/W pixels
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from pipeline.common.labels import IGNORE


def chosen_classes(label: Tensor, generator: np.random.Generator, *, with_ignored: bool = False) -> list[int]:
    """Return half of the classes of a label, rounded up, drawn at random; ignored pixels are of no class.

    ``label`` has any shape: the papers draw from the classes of the image. The code of DAFormer and MIC draws from
    those of the whole batch, for each image anew, and takes ignored pixels for a class (``with_ignored``).
    """
    present = [int(index) for index in torch.unique(label) if with_ignored or index != IGNORE]
    return sorted(generator.choice(present, (len(present) + 1) // 2, replace=False).tolist()) if present else []


def pixels_of(label_HW: Tensor, classes: list[int]) -> Tensor:
    """Return (H,W) bool: where a label is one of the classes."""
    return torch.isin(label_HW, torch.tensor(classes, dtype=label_HW.dtype, device=label_HW.device))


def paste(mask_NHW: Tensor, source: Tensor, target: Tensor) -> Tensor:
    """Return ``source`` where the mask is set, ``target`` elsewhere; images (N,3,H,W), labels or weights (N,H,W)."""
    mask = mask_NHW if source.ndim == mask_NHW.ndim else mask_NHW[:, None]
    return torch.where(mask, source, target)
