"""The style that images take on when they are loaded, from statistics of target images in a file.

Statistics are read when needed, so that memory does not grow with the number of target images.
"""

# H/W pixels, R target images (1 where all of them count as one)

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from pipeline.common.errors import ReadableError
from pipeline.common.files import read_json, whole_file, write_json
from pipeline.translation.colour import histogram, match_histograms, match_moments, moments
from pipeline.translation.fourier import amplitudes, swap_amplitudes

if TYPE_CHECKING:
    from pipeline.params import ColourTranslation, FourierTranslation

SETTINGS, TARGET, SOURCE = "translation.json", "target.npy", "source.npy"

Images = Callable[[], Iterator[np.ndarray]]
"""All images of a split, (H,W,3) uint8, one at a time."""


class Style(NamedTuple):
    """How an image takes on the statistics of a target image."""

    target_R: np.ndarray
    take_on: Callable[[np.ndarray, np.ndarray], np.ndarray]
    """From an image (H,W,3) uint8 and one of the statistics to an image of the same size."""

    def __call__(self, image_HW3: np.ndarray, generator: np.random.Generator) -> np.ndarray:
        """Return the image in the style of a target image that the generator draws."""
        return self.of(image_HW3, self.draw(generator))

    def draw(self, generator: np.random.Generator) -> int:
        """Return the position of a random target image."""
        return int(generator.integers(len(self.target_R)))

    def of(self, image_HW3: np.ndarray, position: int) -> np.ndarray:
        """Return the image in the style of that target image."""
        return self.take_on(image_HW3, np.asarray(self.target_R[position]))


def write_style(
    settings: ColourTranslation | FourierTranslation, source: Images, target: Images, count: int, folder: Path
) -> None:
    """Write statistics of the ``count`` target images (and of the source's, for one rule for all images)."""
    folder.mkdir(parents=True, exist_ok=True)
    if settings.method == "fourier":
        _write_each(folder / TARGET, (amplitudes(image_HW3, settings.beta) for image_HW3 in target()), count)
    else:
        measure = moments if settings.statistic == "moments" else histogram
        if settings.match == "image":
            _write_each(folder / TARGET, map(measure, target()), count)
        else:
            _write_each(folder / TARGET, [_mean(map(measure, target()))], 1)
            _write_each(folder / SOURCE, [_mean(map(measure, source()))], 1)
    write_json(folder / SETTINGS, settings.model_dump())


def open_style(folder: Path) -> Style | None:
    """Return the style that write_style wrote; None for a translation whose images are files.

    The settings are in the folder, not only in params.yaml: DVC trains an initial model again if its folder changes.

    Raises:
        ReadableError: the translation has not run.
    """
    if not (folder / SETTINGS).is_file():
        raise ReadableError(f"{folder}: holds no translation; run `dvc repro translate@{folder.name}`")
    settings = read_json(folder / SETTINGS)
    if settings["method"] == "cyclegan":
        return None
    target_R = np.load(folder / TARGET, mmap_mode="r", allow_pickle=False)
    if settings["method"] == "fourier":
        return Style(target_R, swap_amplitudes)
    match = match_moments if settings["statistic"] == "moments" else match_histograms
    if settings["match"] == "image":
        return Style(target_R, match)
    source = np.load(folder / SOURCE, allow_pickle=False)[0]
    return Style(target_R, lambda image_HW3, target: match(image_HW3, target, source))


def _write_each(path: Path, statistics: Iterator[np.ndarray] | list[np.ndarray], count: int) -> None:
    """Write statistics of one shape one after the other, as one array (count, …)."""
    with whole_file(path) as temporary:
        written = None
        for position, statistic in enumerate(statistics):
            if written is None:
                shape = (count, *statistic.shape)
                written = np.lib.format.open_memmap(temporary, mode="w+", dtype=np.float32, shape=shape)
            written[position] = statistic
        assert written is not None, "a manifest is never empty"
        written.flush()


def _mean(statistics: Iterator[np.ndarray]) -> np.ndarray:
    total, count = np.zeros(()), 0
    for statistic in statistics:
        total, count = total + statistic.astype(np.float64), count + 1
    mean: np.ndarray = (total / count).astype(np.float32)
    return mean
