"""The generated pair of crack domains as files of the layout ``cracks``."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

from pipeline.common.labels import ClassSet
from pipeline.datasets.cracks.draw import draw
from pipeline.datasets.drawn import file_name, indices_of, save_whole, write_all

if TYPE_CHECKING:
    from pipeline.params import CracksSplit

NAMES = ("background", "crack")
"""What the ids 0 and 1 of the labels mean."""


def write_cracks(split: CracksSplit, seed: int, folder: Path | str, classes: ClassSet, progress: bool) -> None:
    """Draw a split: ``folder/images/INDEX.png`` and ``folder/labels/INDEX.png``, as ``write_streets`` does.

    Labels hold 0 for background and 1 for cracks; their palette shows the colours of ``classes``.
    """
    folder = Path(folder)
    colours = [classes.palette[classes.index(name)] if name in classes.names else (0, 0, 0) for name in NAMES]
    palette = [value for colour in colours for value in colour]
    write_one = partial(_write_one, split.domain, seed, *split.draw_size, folder, palette)
    write_all(indices_of(split), folder, write_one, progress)


def _write_one(domain: str, seed: int, height: int, width: int, folder: Path, palette: list[int], index: int) -> None:
    image_HW3, label_HW = draw(domain, seed, index, height, width)
    label = Image.fromarray(label_HW)
    label.putpalette(palette)
    save_whole(Image.fromarray(image_HW3), folder / "images" / file_name(index))
    save_whole(label, folder / "labels" / file_name(index))
