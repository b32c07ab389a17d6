"""Samples of patches with pseudo-labels."""

# H/W pixels, h/w pixels of a patch before zooming

from __future__ import annotations

import numpy as np
import torch
from torch.nn import functional

from pipeline.patches.file import PatchFile
from pipeline.training.augmentation import Augment
from pipeline.training.batches import Sample, SampleAt


def patch_samples(patches: PatchFile, augment: Augment, aligned_corners: bool) -> SampleAt:
    """Return samples of patches, zoomed bilinearly to the size of their pseudo-labels (LSE's R) by the labels' rule."""

    def sample_at(index: int, generator: np.random.Generator) -> Sample:
        label_HW = patches.label(index)
        image_HW3 = _zoomed(patches.image(index), label_HW.shape, aligned_corners)
        return patches.id(index), *augment(image_HW3, label_HW, generator)

    return sample_at


def _zoomed(image_hw3: np.ndarray, size: tuple[int, ...], aligned_corners: bool) -> np.ndarray:
    image_13hw = torch.from_numpy(image_hw3).permute(2, 0, 1)[None].float()
    zoomed_13HW = functional.interpolate(image_13hw, list(size), mode="bilinear", align_corners=aligned_corners)
    return zoomed_13HW[0].round().to(torch.uint8).permute(1, 2, 0).numpy()
