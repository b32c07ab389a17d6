"""The generated pair of street domains as files."""

# H/W pixels, 3 red, green, blue

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from pipeline.common.labels import CITYSCAPES_19, ClassSet
from pipeline.datasets.drawn import file_name, indices_of, save_whole, write_all
from pipeline.datasets.layouts.folder import same_names
from pipeline.datasets.listing import Listing, required_folder
from pipeline.datasets.streets import draw

if TYPE_CHECKING:
    from pipeline.params import StreetsSplit


def write_streets(split: StreetsSplit, seed: int, folder: Path | str, classes: ClassSet, progress: bool) -> None:
    """Draw a split: ``folder/images/INDEX.png`` and ``folder/labels/INDEX.png`` for every scene, in two processes.

    INDEX is the scene's, six digits, beginning at ``split.first``. Labels hold the 19 train ids, 255 ignored; their
    palette shows the colours of ``classes`` and leaves the others black. Files are drawn anew, and scenes that an
    earlier run left in the folder are removed.
    """
    folder = Path(folder)
    height, width = split.draw_size
    write_one = partial(_write_scene, split.domain, seed, height, width, folder, _palette(classes))
    write_all(indices_of(split), folder, write_one, progress, ProcessPoolExecutor)


def streets_entries(folder: Path | str) -> Listing:
    """The scenes that write_streets left in a folder, sorted by id. Raises DataError where there are none."""
    folder = Path(folder)
    advice = "Draw them with `dvc repro prepare`."
    images, labels = (required_folder(folder, kind, advice) for kind in ("images", "labels"))
    return same_names(images, labels, endings=(".png",))


def _write_scene(domain: str, seed: int, height: int, width: int, folder: Path, palette: list[int], index: int) -> None:
    image_HW3, label_HW = draw.draw(domain, seed, index, height, width)
    label = Image.fromarray(label_HW).convert("L")
    label.putpalette(palette)
    save_whole(Image.fromarray(image_HW3), folder / "images" / file_name(index))
    save_whole(label, folder / "labels" / file_name(index))


def _palette(classes: ClassSet) -> list[int]:
    """256 colours in a row for the 19 train ids, black where the class is not in the class set."""
    colours = np.zeros((256, 3), dtype=np.uint8)
    for train_id, name in enumerate(CITYSCAPES_19.names):
        if name in classes.names:
            colours[train_id] = classes.palette[classes.index(name)]
    return [int(value) for value in colours.ravel()]
