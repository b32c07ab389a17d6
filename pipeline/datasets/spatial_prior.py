"""CBST-SP's spatial priors: how often each pixel of the source has each class (Zou et al., ECCV 2018, Sec. 4.4).

q_n(c): counts of class c at pixel n over all source labels, smoothed with a Gaussian whose kernel is 70 pixels wide on
GTA5's 1052 rows, and as large a share of other images; then Σ_n q_n(c) = 1. The paper gives no deviation: ours is a
quarter of the kernel. Ignored pixels are not counted. The released code reads a finished array and cannot compute one.
"""

# C class, H/W pixels of the network's images, h/w the stored grid

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import h5py
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from pipeline.common.colours import entropy_picture
from pipeline.common.files import whole_file
from pipeline.common.labels import ClassSet

PRIOR = "spatial-prior.h5"
PICTURE = "spatial-prior.png"
KERNEL_OF_HEIGHT = 70 / 1052
_PER_KERNEL = 4  # deviations
_COLUMNS, _WIDTH, _CAPTION, _GAP = 4, 240, 18, 4


def estimate(labels: Iterable[np.ndarray], classes: int, size: tuple[int, int]) -> np.ndarray:
    """Return q (C,H,W) float32 of labels (H,W): Σ over pixels is 1, or 0 for a class that does not occur."""
    count_CHW = np.zeros((classes, *size), np.uint32)
    for label_HW in labels:
        for present in np.unique(label_HW):
            if present < classes:
                count_CHW[present] += label_HW == present
    smooth_CHW = _smoothed(_smoothed(count_CHW.astype(np.float32), 1), 2)
    total_C = smooth_CHW.sum(axis=(1, 2), dtype=np.float64)
    q_CHW: np.ndarray = smooth_CHW / np.where(total_C > 0, total_C, 1.0)[:, None, None].astype(np.float32)
    return q_CHW


def _smoothed(count_CHW: np.ndarray, axis: int) -> np.ndarray:
    """Smoothed along rows (1) or columns (2); at the border the image goes on as its mirror image."""
    radius = kernel_size(count_CHW.shape[1]) // 2
    deviation = kernel_size(count_CHW.shape[1]) / _PER_KERNEL
    weight = np.exp(-0.5 * (np.arange(-radius, radius + 1) / deviation) ** 2)
    weight /= weight.sum()
    widths = [(radius, radius) if other == axis else (0, 0) for other in range(3)]
    padded_CHW = np.pad(count_CHW, widths, mode="symmetric")
    smooth_CHW = np.zeros_like(count_CHW)
    for offset, share in enumerate(weight.astype(np.float32)):
        window = [slice(None)] * 3
        window[axis] = slice(offset, offset + count_CHW.shape[axis])
        smooth_CHW += share * padded_CHW[tuple(window)]
    return smooth_CHW


def kernel_size(height: int) -> int:
    """Return the pixels of the Gaussian's kernel for images of this height; odd, so that it has a middle."""
    return 2 * round(KERNEL_OF_HEIGHT * height / 2) + 1


def write_prior(folder: Path, prior_CHW: np.ndarray, classes: ClassSet) -> None:
    """Write spatial-prior.h5, on a grid half a deviation wide (smoothing leaves nothing finer), and its picture."""
    step = max(1, int(kernel_size(prior_CHW.shape[1]) / _PER_KERNEL / 2))
    height, width = (max(1, side // step) for side in prior_CHW.shape[1:])
    grid = [Image.fromarray(prior_HW).resize((width, height), Image.Resampling.BOX) for prior_HW in prior_CHW]
    prior_Chw = np.stack([np.asarray(picture, np.float32) for picture in grid])
    total_C11 = prior_Chw.sum(axis=(1, 2), keepdims=True)
    prior_Chw /= np.where(total_C11 > 0, total_C11, 1)
    with whole_file(folder / PRIOR) as temporary, h5py.File(temporary, "w") as file:
        file.attrs["class_names"] = list(classes.names)
        data = file.create_dataset("prior", data=prior_Chw, compression="gzip", shuffle=True, fletcher32=True)
        data.attrs["about"] = "share of a class's source pixels in each cell (C,h,w); all cells of a class sum to 1"
    with whole_file(folder / PICTURE) as temporary:
        _sheet(prior_CHW, classes).save(temporary, format="PNG")


def _sheet(prior_CHW: np.ndarray, classes: ClassSet) -> Image.Image:
    """One heat map for each class: dark blue is never, yellow is where it is most often."""
    height = round(_WIDTH * prior_CHW.shape[1] / prior_CHW.shape[2])
    rows = -(-len(classes) // _COLUMNS)
    sheet = Image.new("RGB", (_COLUMNS * (_WIDTH + _GAP) - _GAP, rows * (height + _CAPTION)), "white")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(12)
    for index, (name, prior_HW) in enumerate(zip(classes.names, prior_CHW, strict=True)):
        left, top = index % _COLUMNS * (_WIDTH + _GAP), index // _COLUMNS * (height + _CAPTION)
        largest = float(prior_HW.max())
        draw.text((left, top + 2), name if largest else f"{name}: not in the source", fill="black", font=font)
        picture = Image.fromarray(entropy_picture(prior_HW / largest if largest else prior_HW))
        sheet.paste(picture.resize((_WIDTH, height)), (left, top + _CAPTION))
    return sheet
