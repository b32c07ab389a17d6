"""A label at the size of its image file, for formats that describe the file."""

# H/W pixels of the image file, h/w pixels of a label

from __future__ import annotations

import numpy as np
from PIL import Image

from pipeline.common.labels import IGNORE
from pipeline.datasets.loading import box_of
from pipeline.prediction.pictures import Picture


def placed(label_hw: np.ndarray, picture: Picture) -> np.ndarray:
    """Return the label (H,W) of the upright image file: enlarged by nearest neighbour, IGNORE outside of the crop."""
    if picture.size is None:
        return label_hw
    label_HW = np.full(picture.size, IGNORE, np.uint8)
    left, top, right, bottom = (0, 0, *picture.size[::-1]) if picture.crop is None else box_of(picture.crop)
    whole = Image.fromarray(label_hw).resize((right - left, bottom - top), Image.Resampling.NEAREST)
    label_HW[top:bottom, left:right] = np.asarray(whole)
    return label_HW
