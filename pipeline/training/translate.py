"""The stage translate: data/prepared/NAME, from which starts learn as from the source, and pictures of it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pipeline.common.files import file_hash
from pipeline.common.work import publish, working_folder
from pipeline.datasets.loading import SplitImages
from pipeline.datasets.manifest import Manifest, manifest_path
from pipeline.datasets.opening import images_of
from pipeline.training.cyclegan.run import run_cyclegan
from pipeline.translation.gallery import GalleryRow, write_gallery
from pipeline.translation.style import Images, Style, open_style, write_style

if TYPE_CHECKING:
    from pipeline.params import ColourTranslation, FourierTranslation, Params


def translate(params: Params, name: str, destination: Path) -> None:
    """Writes data/prepared/NAME, and what there is to look at into ``destination``.

    Reads images of the source and of the target, and no label of either.
    """
    settings = params.translation(name)
    if settings.method == "cyclegan":
        run_cyclegan(params, name, settings, destination)
    else:
        _measure(params, name, settings, destination)


def _measure(params: Params, name: str, settings: ColourTranslation | FourierTranslation, destination: Path) -> None:
    source = images_of("source", params.data.source, params.data.size)
    # As large as the source's: frequencies are counted in the image, whatever its size
    target = SplitImages(Manifest(manifest_path("target")), crop=params.data.target.crop, size=source.size)
    inputs = {
        "translation": settings.model_dump(),
        "manifests": [file_hash(manifest_path(split)) for split in ("source", "target")],
        "splits": [split.model_dump() for split in (params.data.source, params.data.target)],
        "size": params.data.size,
        "seed": params.seed,
    }
    with working_folder(f"translate-{name}", **inputs) as folder:
        made = folder / "made"
        write_style(settings, _all(source), _all(target), len(target), made)
        shutil.copyfile(manifest_path("source"), made / "manifest.jsonl")  # the images stay where they are
        style = open_style(made)
        assert style is not None
        _write_gallery(style, source, target, folder / "run" / "gallery", params.seed)
        publish(folder / "run", destination)
        publish(made, manifest_path(name).parent)


def _write_gallery(style: Style, source: SplitImages, target: SplitImages, folder: Path, seed: int) -> None:

    def row_at(position: int) -> GalleryRow:
        generator = np.random.default_rng([seed, position])
        drawn = style.draw(generator)
        seen = drawn if len(style.target_R) > 1 else int(generator.integers(len(target)))
        image_HW3 = source.image(position)
        return GalleryRow(image_HW3, style.of(image_HW3, drawn), target.image(seen))

    write_gallery(row_at, len(source), folder)


def _all(images: SplitImages) -> Images:
    def each() -> Iterator[np.ndarray]:
        return (images.image(position) for position in range(len(images)))

    return each
