"""The stage translate: data/prepared/NAME, from which starts learn as from the source, and pictures of it."""

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
from pipeline.training.cyclegan.run import run_cyclegan
from pipeline.translation.gallery import Shown, write_gallery
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
    source, target = images_of("source", params.data.size), images_of("target", params.data.size)
    # As large as the source's: frequencies are counted in the image, whatever its size
    target = SplitImages(target.manifest, crop=target.crop, size=source.size)
    inputs = {
        "translation": settings.model_dump(),
        "splits": [content_of(split) for split in ("source", "target")],
        "size": params.data.size,
        "seed": params.seed,
    }
    with working_folder(f"translate-{name}", **inputs) as folder:
        made = folder / "made"
        write_style(settings, _all(source), _all(target), len(target), made)
        for file in (MANIFEST, SPLIT):  # the images stay where they are
            shutil.copyfile(manifest_path("source").with_name(file), made / file)
        style = open_style(made)
        assert style is not None
        _write_gallery(style, source, target, folder / "run" / "gallery", params.seed)
        publish(folder / "run", destination)
        publish(made, manifest_path(name).parent)


def _write_gallery(style: Style, source: SplitImages, target: SplitImages, folder: Path, seed: int) -> None:

    def shown_at(position: int) -> Shown:
        generator = np.random.default_rng([seed, position])
        drawn = style.draw(generator)
        seen = drawn if len(style.target_R) > 1 else int(generator.integers(len(target)))
        image_HW3 = source.image(position)
        return Shown(image_HW3, style.of(image_HW3, drawn), target.image(seen))

    write_gallery(shown_at, len(source), folder)


def _all(images: SplitImages) -> Images:
    def each() -> Iterator[np.ndarray]:
        return (images.image(position) for position in range(len(images)))

    return each
