"""Samples of images, with or without their labels."""

# H/W pixels

from __future__ import annotations

from typing import Protocol

import numpy as np

from pipeline.common.labels import IGNORE
from pipeline.datasets.loading import SplitImages, SplitLabels
from pipeline.training.augmentation import Augment
from pipeline.training.batches import Sample, SampleAt
from pipeline.translation.style import Style


class ChangesBoth(Protocol):
    """What changes an image (H,W,3) together with its label (H,W) at random, as Augment does."""

    def __call__(
        self, image_HW3: np.ndarray, label_HW: np.ndarray, generator: np.random.Generator, /
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the changed image and label."""
        ...


def labelled_samples(
    images: SplitImages, labels: SplitLabels, augment: ChangesBoth, style: Style | None = None
) -> SampleAt:
    """Return samples of images in a style, if one is given, and labels, changed at random together."""

    def sample_at(index: int, generator: np.random.Generator) -> Sample:
        image_HW3 = images.image(index)
        if style is not None:
            image_HW3 = style(image_HW3, generator)
        return images.id(index), *augment(image_HW3, labels.label(index), generator)

    return sample_at


def unlabelled_samples(images: SplitImages, augment: Augment) -> SampleAt:
    """Return samples of images, changed at random like labelled ones; every pixel's label is IGNORE."""
    return _constant_samples(images, augment, IGNORE)


def samples_to_be_labelled(images: SplitImages, augment: Augment) -> SampleAt:
    """Return samples of images, changed at random; a label is 0, and IGNORE where the change left no image."""
    return _constant_samples(images, augment, 0)


def _constant_samples(images: SplitImages, augment: Augment, label: int) -> SampleAt:
    def sample_at(index: int, generator: np.random.Generator) -> Sample:
        image_HW3 = images.image(index)
        label_HW = np.full(image_HW3.shape[:2], label, np.uint8)
        return images.id(index), *augment(image_HW3, label_HW, generator)

    return sample_at
