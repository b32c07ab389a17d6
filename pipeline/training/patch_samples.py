"""Samples out of patches with pseudo-labels.

# H/W pixels
"""

from __future__ import annotations

import numpy as np
from PIL import Image

from pipeline.patches.file import PatchFile
from pipeline.training.augmentation import Augment
from pipeline.training.batches import Sample, SampleAt


def patch_samples(patches: PatchFile, augment: Augment) -> SampleAt:
    """Patches zoomed to the size of their pseudo-labels (LSE's R, bilinear), changed at random."""

    def sample_at(index: int, generator: np.random.Generator) -> Sample:
        label_HW = patches.label(index)
        size = (label_HW.shape[1], label_HW.shape[0])
        zoomed = Image.fromarray(patches.image(index)).resize(size, Image.Resampling.BILINEAR)
        return patches.id(index), *augment(np.asarray(zoomed), label_HW, generator)

    return sample_at
