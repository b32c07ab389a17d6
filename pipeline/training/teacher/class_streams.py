"""A teacher's streams of source and target: each image once in each pass, or drawn by a class that it holds.

A draw by class is a function of the generator that the stream gives to a sample, so there is nothing to save for a
resume, and any number of processes draws the same images (DAFormer, Sec. 3.3).
"""

# N images, C class, K crops, H/W pixels

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from pipeline.common.errors import ReadableError
from pipeline.datasets.loading import SplitImages
from pipeline.datasets.manifest import manifest_path
from pipeline.datasets.opening import images_of, labels_of
from pipeline.patches.target_statistics import TargetStatistics
from pipeline.training.augmentation import Augment
from pipeline.training.batches import Sample, SampleAt, Stream
from pipeline.training.image_samples import labelled_samples, samples_to_be_labelled
from pipeline.training.label_counts import source_counts
from pipeline.training.run import SOURCE, RunSettings, labelled_stream
from pipeline.training.teacher.class_draws import (
    RECROPS,
    ClassAwareOrder,
    class_probabilities,
    first_crop_with_class,
    images_with_class,
)
from pipeline.translation.source import labelled_images

if TYPE_CHECKING:
    from pipeline.methods.teacher import Teacher


def source_stream(run: RunSettings, section: Teacher, batch: int, augment: Augment, folder: Path) -> Stream:
    """Return the stream of the labelled split.

    Where it is drawn by class, all its labels are read once, and their counts are kept in ``folder``.

    Raises:
        ReadableError: no image holds enough of any class.
    """
    draws = section.draws
    if draws is None or draws.source_temperature is None:
        return labelled_stream(run, batch, augment)
    images, style = labelled_images(run.labelled, run.size)
    labels = labels_of(run.labelled, run.classes, images.size)
    order = _order(run.labelled, section, source_counts(run, folder), math.prod(images.size), draws.source_temperature)
    least_share, strictly = draws.crop_share * draws.smallest_share, _strictly(section)

    def sample_at(_: int, generator: np.random.Generator) -> Sample:
        class_index, image_index = order.drawn_by(generator)
        keeping = KeepingClass(augment, class_index, least_share, strictly)
        return labelled_samples(images, labels, keeping, style)(image_index, generator)

    return run.stream(SOURCE, sample_at, len(images), batch)


def target_stream(run: RunSettings, section: Teacher, augment: Augment, statistics: TargetStatistics) -> Stream:
    """Return the stream of the target's images, whose pixels a teacher will label.

    Where it is drawn by class, the classes of an image are those of the network with which the round begins. Nobody
    knows what a zoomed window holds, so the first one is taken.

    Raises:
        ReadableError: no image holds enough of any class.
    """
    images = images_of("target", run.size)
    samples, draws = samples_to_be_labelled(images, augment), section.draws
    if draws is not None and draws.target_temperature is not None:
        count_NC = _in_order_of(images, statistics)
        order = _order("target", section, count_NC, count_NC.sum(axis=1), draws.target_temperature)
        samples = drawn_by_class(samples, order)
    return run.stream("target", samples, len(images))


def drawn_by_class(samples: SampleAt, order: ClassAwareOrder) -> SampleAt:
    """Return the samples that the generator draws, whatever their index."""
    return lambda _, generator: samples(order.drawn_by(generator).image_index, generator)


class KeepingClass(NamedTuple):
    """Random changes of an image that holds a class, such that the changed one still does."""

    augment: Augment
    class_index: int
    least_share: float
    """Of the changed image's pixels."""
    strictly: bool

    def __call__(
        self, image_HW3: np.ndarray, label_HW: np.ndarray, generator: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the changed image (H,W,3) and label (H,W) of the first try, of 11 at most, that holds the class."""
        seed_K = generator.integers(2**63, size=RECROPS + 1)

        def share_at(number: int) -> float:
            changed_HW = self.augment.label(label_HW, np.random.default_rng(seed_K[number]))
            return float((changed_HW == self.class_index).mean())

        number = first_crop_with_class(share_at, self.least_share, strictly=self.strictly)
        return self.augment(image_HW3, label_HW, np.random.default_rng(seed_K[number]))


def _order(
    split: str, section: Teacher, count_NC: np.ndarray, pixels_N: np.ndarray | int, temperature: float
) -> ClassAwareOrder:
    assert section.draws is not None
    holds_NC = images_with_class(count_NC, pixels_N, section.draws.smallest_share, strictly=_strictly(section))
    try:
        return ClassAwareOrder(class_probabilities(count_NC, temperature), holds_NC)
    except ValueError as error:
        raise ReadableError(
            f"{manifest_path(split).parent}: {error} (teacher.draws.smallest_share is {section.draws.smallest_share})"
        ) from None


def _strictly(section: Teacher) -> bool:
    return section.compat == "author"


def _in_order_of(images: SplitImages, statistics: TargetStatistics) -> np.ndarray:
    row_of = {image_id: row for row, image_id in enumerate(statistics.image_ids)}
    count_NC: np.ndarray = statistics.pixel_count_NC[[row_of[images.id(index)] for index in range(len(images))]]
    return count_NC
