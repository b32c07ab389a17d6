"""The stage translate: the source in the target's style, as data/prepared/NAME, and pictures of it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pipeline.common.work import publish, working_folder
from pipeline.datasets.loading import SplitImages
from pipeline.datasets.manifest import MANIFEST, manifest_path
from pipeline.datasets.opening import SPLIT, content_of, images_of
from pipeline.training.cyclegan.run import Domains, run_cyclegan
from pipeline.translation.gallery import GalleryRow, write_gallery
from pipeline.translation.style import Images, Style, open_style, write_style

if TYPE_CHECKING:
    from pipeline.params import ColourTranslation, FourierTranslation, Params


def translate(params: Params, name: str, destination: Path) -> None:
    """Write data/prepared/NAME, and pictures of the translation into ``destination``.

    Reads images of the source and of the target, and no label of either.
    """
    settings, size = params.translation(name), params.data.size
    inputs = {
        "translation": settings.model_dump(),
        "splits": [content_of(split) for split in ("source", "target")],
        "size": size,
        "seed": params.seed,
    }
    source, target = images_of("source", size), images_of("target", size)
    if settings.method == "cyclegan":
        run_cyclegan(name, settings, Domains(source, target), params.seed, params.runtime, inputs, destination)
        return
    # At the source's size, because frequencies are counted per image
    target = SplitImages(target.manifest, crop=target.crop, size=source.size, reading=target.reading)
    with working_folder(f"translate-{name}", **inputs) as folder:
        _measure(settings, Domains(source, target), params.seed, folder)
        publish(folder / "run", destination)
        publish(folder / "prepared", manifest_path(name).parent)


def _measure(settings: ColourTranslation | FourierTranslation, domains: Domains, seed: int, folder: Path) -> None:
    source, target = domains
    prepared = folder / "prepared"
    write_style(settings, _all(source), _all(target), len(target), prepared)
    for file in (MANIFEST, SPLIT):  # the images stay where they are
        shutil.copyfile(manifest_path("source").with_name(file), prepared / file)
    style = open_style(prepared)
    assert style is not None
    _write_gallery(style, source, target, folder / "run" / "gallery", seed)


def _write_gallery(style: Style, source: SplitImages, target: SplitImages, folder: Path, seed: int) -> None:

    def row_at(position: int) -> GalleryRow:
        generator = np.random.default_rng([seed, position])
        drawn = style.draw(generator)
        target_position = drawn if len(style.target_R) > 1 else int(generator.integers(len(target)))
        image_HW3 = source.image(position)
        return GalleryRow(image_HW3, style.of(image_HW3, drawn), target.image(target_position))

    write_gallery(row_at, len(source), folder)


def _all(images: SplitImages) -> Images:
    def each() -> Iterator[np.ndarray]:
        return (images.image(position) for position in range(len(images)))

    return each
