"""Labels of many images as one file of COCO's segmentation format, written image by image.

As in COCO's stuff annotations, an annotation is all pixels of one class in one image. Its mask is a run-length code
without compression (https://cocodataset.org/#format-data), which pycocotools, FiftyOne and annotation tools read.
"""

# H/W pixels of an image, R runs

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple, TextIO

import numpy as np

from pipeline.common.files import whole_file
from pipeline.common.labels import IGNORE, ClassSet

ANNOTATIONS = "annotations.json"


class Labelled(NamedTuple):
    """An image file and how to get its label, which is read when the file's turn has come."""

    file_name: str
    """Relative to the folder of the images."""
    size: tuple[int, int]
    """(H,W) of the upright image."""
    label: Callable[[], np.ndarray]
    """Returns (H,W) uint8; ignored pixels are in no annotation."""


def write_coco(path: Path, images: Callable[[], Iterable[Labelled]], classes: ClassSet, description: str) -> int:
    """Write images, categories and annotations, and return the number of images; ``images`` is called twice.

    A category is the class's index plus 1, since many programs take 0 for the background. Memory holds one image.
    """
    info = {"description": description}
    categories = [
        {"id": index + 1, "name": name, "supercategory": "", "color": list(classes.palette[index])}
        for index, name in enumerate(classes.names)
    ]
    with whole_file(path) as temporary, temporary.open("w", encoding="utf-8") as file:
        file.write(f'{{"info": {json.dumps(info)},\n"licenses": [],\n"categories": {json.dumps(categories)},\n')
        count = _write_array(file, "images", (_image(image, number) for number, image in enumerate(images(), 1)))
        file.write(",\n")
        _write_array(file, "annotations", _annotations(images()))
        file.write("}\n")
    return count


def _image(image: Labelled, number: int) -> dict[str, Any]:
    return {"id": number, "file_name": image.file_name, "height": image.size[0], "width": image.size[1]}


def _annotations(images: Iterable[Labelled]) -> Iterator[dict[str, Any]]:
    identity = 0
    for number, image in enumerate(images, 1):
        for annotation in annotations_of(image.label()):
            identity += 1
            yield {"id": identity, "image_id": number, **annotation}


def annotations_of(label_HW: np.ndarray) -> Iterator[dict[str, Any]]:
    """Yield an annotation for each class of a label: category, mask, area in pixels, box (left, top, width, height)."""
    for index in np.flatnonzero(np.bincount(label_HW.ravel(), minlength=IGNORE + 1)[:IGNORE]):
        mask_HW = label_HW == index
        lines, columns = np.flatnonzero(mask_HW.any(axis=1)), np.flatnonzero(mask_HW.any(axis=0))
        left, top = int(columns[0]), int(lines[0])
        yield {
            "category_id": int(index) + 1,
            "iscrowd": 0,
            "area": int(mask_HW.sum()),
            "bbox": [left, top, int(columns[-1]) + 1 - left, int(lines[-1]) + 1 - top],
            "segmentation": {"size": list(mask_HW.shape), "counts": run_lengths(mask_HW)},
        }


def run_lengths(mask_HW: np.ndarray) -> list[int]:
    """Return the lengths (R,) of runs down the columns, in turn outside and inside; the first, outside, may be 0."""
    pixel = mask_HW.ravel(order="F")
    changes = np.flatnonzero(pixel[1:] != pixel[:-1]) + 1
    length_R = np.diff(np.concatenate([[0], changes, [len(pixel)]]))
    return [0, *length_R.tolist()] if pixel[0] else length_R.tolist()


def _write_array(file: TextIO, name: str, values: Iterable[dict[str, Any]]) -> int:
    """Write ``"name": [...]``, one value a line, and return how many there were."""
    file.write(f'"{name}": [')
    count = 0
    for value in values:
        file.write(",\n" if count else "\n")
        file.write(json.dumps(value, separators=(",", ":")))
        count += 1
    file.write("]")
    return count
