"""The stage translate: data/prepared/NAME, from which starts learn as from the source, and pictures of it."""

from __future__ import annotations

import shutil
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pipeline.datasets.loading import SplitImages
from pipeline.datasets.manifest import Manifest
from pipeline.datasets.opening import images_of
from pipeline.datasets.prepare import manifest_path
from pipeline.files import whole_file
from pipeline.training.cyclegan.run import run_cyclegan
from pipeline.translation.gallery import Shown, write_gallery
from pipeline.translation.style import Images, open_style, write_style

if TYPE_CHECKING:
    from pipeline.params import ColourTranslation, FourierTranslation, Params


def translate(params: Params, name: str, destination: Path) -> int:
    """Writes data/prepared/NAME, and what there is to look at into ``destination``; answers the number of images.

    Reads images of the source and of the target, and no label of either.
    """
    settings = params.translation(name)
    if settings.method == "cyclegan":
        run_cyclegan(params, name, settings, destination)
    else:
        _measure(params, name, settings, destination)
    return len(Manifest(manifest_path(name)))


def _measure(params: Params, name: str, settings: ColourTranslation | FourierTranslation, destination: Path) -> None:
    source = images_of("source", params.data.source, params.data.size)
    # As large as the source's: frequencies are counted in the image, whatever its size
    target = SplitImages(Manifest(manifest_path("target")), crop=params.data.target.crop, size=source.size)
    folder = manifest_path(name).parent
    write_style(settings, _all(source), _all(target), len(target), folder)
    with whole_file(folder / "manifest.jsonl") as temporary:
        shutil.copyfile(manifest_path("source"), temporary)  # the images themselves stay where they are
    style = open_style(folder)
    assert style is not None

    def shown_at(position: int) -> Shown:
        generator = np.random.default_rng([params.seed, zlib.crc32(name.encode()), position])
        drawn = style.draw(generator)
        seen = drawn if len(style.target_R) > 1 else int(generator.integers(len(target)))
        image_HW3 = source.image(position)
        return Shown(image_HW3, style.of(image_HW3, drawn), target.image(seen))

    write_gallery(shown_at, len(source), destination / "gallery")


def _all(images: SplitImages) -> Images:
    def each() -> Iterator[np.ndarray]:
        return (images.image(position) for position in range(len(images)))

    return each
