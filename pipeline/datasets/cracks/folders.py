"""Writes the generated cracks as plain folders, as people have them.

``python -m pipeline.datasets.cracks.folders DIR``: ``DIR/concrete`` has images and masks of 0 and 255; ``DIR/asphalt``
has images alone; ``DIR/asphalt-labelled`` has a few images with labels in colours: black, and red for cracks.
docs/own-data.md begins with it.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from PIL import Image

from pipeline.datasets.cracks.draw import CRACK, draw

SIZE = (128, 128)
RED = (255, 0, 0)
PARTS = (("concrete", "source", 0, 160), ("asphalt", "target", 0, 160), ("asphalt-labelled", "target", 100_000, 40))
"""Folder, domain, first index, number of images."""


def write_folders(root: Path, parts: tuple[tuple[str, str, int, int], ...] = PARTS) -> None:
    """Draw all pictures below ``root``; a folder that is there is written over."""
    for name, domain, first, count in parts:
        for index in range(first, first + count):
            image_HW3, label_HW = draw(domain, 1, index, *SIZE)
            _save(image_HW3, root / name / "images" / f"{index:06}.png")
            if name == "concrete":
                _save(np.where(label_HW == CRACK, 255, 0).astype(np.uint8), root / name / "labels" / f"{index:06}.png")
            elif name == "asphalt-labelled":
                colour_HW3 = (label_HW == CRACK)[..., None] * np.array(RED, np.uint8)
                _save(colour_HW3, root / name / "labels" / f"{index:06}.png")


def _save(picture: np.ndarray, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture).save(path)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("which folder? python -m pipeline.datasets.cracks.folders data/cracks")
    write_folders(Path(sys.argv[1]))
    print(", ".join(f"{count} pictures in {sys.argv[1]}/{name}" for name, _, _, count in PARTS))
