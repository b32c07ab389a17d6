"""Pictures of a translation: source, translated, and a target image, side by side."""

# H/W pixels

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from pipeline.common.files import whole_file

PICTURES = 6
_GAP = 4


class GalleryRow(NamedTuple):
    """One row of the gallery, (H,W,3) uint8 each; the target's may have another size."""

    source_HW3: np.ndarray
    translated_HW3: np.ndarray
    target_HW3: np.ndarray


def write_gallery(row_at: Callable[[int], GalleryRow], count: int, folder: Path) -> None:
    """Write up to six pictures, spread evenly over ``count`` images, as 0.png, 1.png and so on."""
    folder.mkdir(parents=True, exist_ok=True)
    positions = dict.fromkeys(int(position) for position in np.linspace(0, count - 1, PICTURES))
    for number, position in enumerate(positions):
        with whole_file(folder / f"{number}.png") as temporary:
            _side_by_side(row_at(position)).save(temporary, format="PNG")


def _side_by_side(shown: GalleryRow) -> Image.Image:
    height, width = shown.source_HW3.shape[:2]
    sheet = Image.new("RGB", (3 * width + 2 * _GAP, height), "white")
    for column, image_HW3 in enumerate(shown):
        picture = Image.fromarray(image_HW3).resize((width, height), Image.Resampling.BICUBIC)
        sheet.paste(picture, (column * (width + _GAP), 0))
    return sheet
