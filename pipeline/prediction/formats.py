"""A predicted label as a file: ids for evaluation servers, colours, an overlay with a legend, polygons."""

# C class, H/W pixels

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from pipeline.common.errors import ReadableError
from pipeline.common.labels import CITYSCAPES_19, CITYSCAPES_ID_TO_TRAIN_ID, ClassSet, colour_label

FORMATS = ("label-ids", "train-ids", "colour", "overlay", "coco", "labelme")
"""``coco`` is a PNG of the model's classes for each image, and one annotations.json; ``labelme`` a JSON for each."""
DRAWN_WHOLE = ("overlay", "coco", "labelme")
"""Formats that need all of a label at once."""
OPACITY = 0.5
FONT_SIZE, SWATCH, GAP, COLUMN = 12, 12, 4, 126


def table_of(format_: str, classes: ClassSet) -> np.ndarray:
    """Return the table (256,) uint8 from a model's class to the file's value; but for ids, the class itself.

    ``train-ids`` are the indices in Cityscapes' 19 classes if these hold all of the model's, else the model's own.

    Raises:
        ReadableError: the format is ``label-ids`` and Cityscapes lacks a class of the model.
    """
    table = np.arange(256, dtype=np.uint8)
    foreign = [name for name in classes.names if name not in CITYSCAPES_19.names]
    if format_ == "label-ids" and foreign:
        others = ", ".join(name for name in FORMATS if name != format_)
        raise ReadableError(f"label-ids: Cityscapes has no class {', '.join(foreign)}; choose one of {others}")
    if format_ not in ("label-ids", "train-ids") or foreign:
        return table
    label_ids = {train_id: label_id for label_id, train_id in CITYSCAPES_ID_TO_TRAIN_ID.items()}
    for index, name in enumerate(classes.names):
        train_id = CITYSCAPES_19.names.index(name)
        table[index] = label_ids[train_id] if format_ == "label-ids" else train_id
    return table


def file_name(format_: str, name: str) -> str:
    """Return the name of a prediction's file, of the name that its PNG has."""
    return f"{name.removesuffix('.png')}.json" if format_ == "labelme" else name


def picture_of(format_: str, label_HW: np.ndarray, image: Image.Image, classes: ClassSet) -> Image.Image:
    """Return the picture of a label (H,W), in the model's classes, of an image of the same size.

    ``colour`` is a palette PNG: it shows colours and holds the classes' numbers.
    """
    if format_ == "overlay":
        return overlay(label_HW, image, classes)
    picture = Image.fromarray(table_of(format_, classes)[label_HW])
    if format_ == "colour":
        picture.putpalette([value for colour in classes.palette for value in colour])
    return picture


def overlay(label_HW: np.ndarray, image: Image.Image, classes: ClassSet) -> Image.Image:
    """Return the image under the label's colours; below it each class that is there, with its share of the pixels."""
    colours = Image.fromarray(colour_label(label_HW, classes))
    blended = Image.blend(image, colours, OPACITY)
    legend = _legend(np.bincount(label_HW.ravel(), minlength=len(classes)), classes, max(image.width, COLUMN))
    canvas = Image.new("RGB", (legend.width, image.height + legend.height), "white")
    canvas.paste(blended, (0, 0))
    canvas.paste(legend, (0, image.height))
    return canvas


def _legend(count_C: np.ndarray, classes: ClassSet, width: int) -> Image.Image:
    present = [int(index) for index in np.argsort(-count_C, kind="stable") if count_C[index]]
    columns = max(1, width // COLUMN)
    line = SWATCH + GAP
    legend = Image.new("RGB", (width, GAP + line * -(-len(present) // columns)), "white")
    draw, font = ImageDraw.Draw(legend), ImageFont.load_default(FONT_SIZE)
    for number, index in enumerate(present):
        left, top = GAP + number % columns * COLUMN, GAP + number // columns * line
        draw.rectangle((left, top, left + SWATCH, top + SWATCH), fill=classes.palette[index], outline="black")
        share = 100 * count_C[index] / count_C.sum()
        text = f"{classes.names[index]} {share:.0f} %" if share >= 1 else f"{classes.names[index]} < 1 %"
        draw.text((left + SWATCH + GAP, top - 2), text, fill="black", font=font)
    return legend
