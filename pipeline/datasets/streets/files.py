"""The generated pair of domains as files: PNGs that every later stage reads like anyone's own data."""

# H/W pixels, 3 red, green, blue

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image
from tqdm import tqdm

from pipeline.common.labels import CITYSCAPES_19, ClassSet
from pipeline.common.processes import stop_with_parent
from pipeline.datasets.layouts.folder import same_names
from pipeline.datasets.listing import Listing, required_folder
from pipeline.datasets.parallel import in_order
from pipeline.datasets.streets import draw

if TYPE_CHECKING:
    from pipeline.params import StreetsSplit

WORKERS = 2


def write_streets(split: StreetsSplit, seed: int, folder: Path | str, classes: ClassSet, progress: bool) -> None:
    """Draw a split: ``folder/images/INDEX.png`` and ``folder/labels/INDEX.png`` for every scene, in two processes.

    INDEX is the scene's, six digits, beginning at ``split.first``. Labels hold the 19 train ids, 255 ignored; their
    palette shows the colours of ``classes`` and leaves the others black. Files are drawn anew, and scenes that an
    earlier run left in the folder are removed.
    """
    folder = Path(folder)
    indices = range(split.first, split.first + split.images)
    for kind in ("images", "labels"):
        (folder / kind).mkdir(parents=True, exist_ok=True)
        _remove_others(folder / kind, indices)
    height, width = split.draw_size
    draw = partial(_write_scene, split.domain, seed, height, width, folder, _palette(classes))
    with ProcessPoolExecutor(WORKERS, initializer=stop_with_parent) as pool:
        drawn = in_order(pool, draw, indices, 8 * WORKERS)
        for _ in tqdm(drawn, total=len(indices), desc=folder.name, unit=" images", disable=not progress):
            pass


def scene_ids(split: StreetsSplit) -> list[str]:
    """Return the ids of a split's scenes, before or after they are drawn."""
    return [Path(_name(index)).stem for index in range(split.first, split.first + split.images)]


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
    _save(Image.fromarray(image_HW3), folder / "images" / _name(index))
    _save(label, folder / "labels" / _name(index))


def _save(picture: Image.Image, path: Path) -> None:
    temporary = path.with_name(path.name + ".part")
    picture.save(temporary, format="PNG")
    temporary.replace(path)


def _name(index: int) -> str:
    return f"{index:06}.png"


def _remove_others(folder: Path, indices: range) -> None:
    for path in folder.glob("*.png"):
        if path.stem.isdigit() and int(path.stem) not in indices:
            path.unlink()


def _palette(classes: ClassSet) -> list[int]:
    """256 colours in a row for the 19 train ids, black where the class is not in the class set."""
    colours = np.zeros((256, 3), dtype=np.uint8)
    for train_id, name in enumerate(CITYSCAPES_19.names):
        if name in classes.names:
            colours[train_id] = classes.palette[classes.index(name)]
    return [int(value) for value in colours.ravel()]
