"""Samples out of labelled images."""

from __future__ import annotations

import numpy as np

from pipeline.datasets.loading import SplitImages, SplitLabels
from pipeline.training.augmentation import Augment
from pipeline.training.batches import Sample, SampleAt


def labelled_samples(images: SplitImages, labels: SplitLabels, augment: Augment) -> SampleAt:
    """Images with their labels, changed at random."""

    def sample_at(index: int, generator: np.random.Generator) -> Sample:
        return images.id(index), *augment(images.image(index), labels.label(index), generator)

    return sample_at
