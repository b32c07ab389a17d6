"""A label at the size of its image file, for formats that describe the file."""

# H/W pixels of the image file, h/w pixels of a label

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from PIL import Image

from pipeline.common.labels import IGNORE
from pipeline.prediction.pictures import Picture


def placed(label_hw: np.ndarray, picture: Picture) -> np.ndarray:
    """Return the label (H,W) of the upright image file: enlarged by nearest neighbour, IGNORE outside of the crop."""
    return label_hw if picture.size is None else put_together([(label_hw, picture)], picture.size)


def put_together(parts: Iterable[tuple[np.ndarray, Picture]], size: tuple[int, int]) -> np.ndarray:
    """Return the label (H,W) of an image file of ``size``, of the labels of its tiles; IGNORE where there is none.

    Of a tile that part counts which no other tile answers for.
    """
    label_HW = np.full(size, IGNORE, np.uint8)
    for label_hw, picture in parts:
        top, left, height, width = picture.crop or (0, 0, *size)
        first, begin, high, wide = picture.own or (top, left, height, width)
        whole_hw = np.asarray(Image.fromarray(label_hw).resize((width, height), Image.Resampling.NEAREST))
        own_hw = whole_hw[first - top : first - top + high, begin - left : begin - left + wide]
        label_HW[first : first + high, begin : begin + wide] = own_hw
    return label_HW
