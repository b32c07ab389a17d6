"""Samples out of images, with their labels or without.

# H/W pixels
"""

from __future__ import annotations

import numpy as np

from pipeline.common.labels import IGNORE
from pipeline.datasets.loading import SplitImages, SplitLabels
from pipeline.training.augmentation import Augment
from pipeline.training.batches import Sample, SampleAt
from pipeline.translation.style import Style


def labelled_samples(
    images: SplitImages, labels: SplitLabels, augment: Augment, style: Style | None = None
) -> SampleAt:
    """Images with their labels, changed at random, after they have taken on a style where there is one."""

    def sample_at(index: int, generator: np.random.Generator) -> Sample:
        image_HW3 = images.image(index)
        if style is not None:
            image_HW3 = style(image_HW3, generator)
        return images.id(index), *augment(image_HW3, labels.label(index), generator)

    return sample_at


def unlabelled_samples(images: SplitImages, augment: Augment) -> SampleAt:
    """Images changed at random like labelled ones; their label says ignore everywhere."""

    def sample_at(index: int, generator: np.random.Generator) -> Sample:
        image_HW3 = images.image(index)
        label_HW = np.full(image_HW3.shape[:2], IGNORE, np.uint8)
        return images.id(index), *augment(image_HW3, label_HW, generator)

    return sample_at
