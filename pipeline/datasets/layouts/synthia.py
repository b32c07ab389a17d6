"""The layout ``synthia``: SYNTHIA-RAND-CITYSCAPES (Ros et al., CVPR 2016), its archive unpacked."""

# H/W pixels

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from pipeline.datasets.decoding import bits_of_png, first_deep_channel, read_label
from pipeline.datasets.layouts.train_id_names import NAMING, TRAIN_ID_ENDING
from pipeline.datasets.listing import (
    IMAGE_SUFFIXES,
    Choice,
    Listing,
    expanded,
    files_below,
    first_folder,
    paired,
    required_folder,
)
from pipeline.datasets.meaning import TRAIN_IDS, Meaning, Meanings, numbered
from pipeline.datasets.problems import DataError

if TYPE_CHECKING:
    from pipeline.params import SynthiaSplit

LABEL_FOLDERS = ("GT/LABELS", "parsed_LABELS", "synthia_mapped_to_cityscapes")
"""The published labels, and copies with 8 bits that other projects made: the ids in them are SYNTHIA's all the same."""

SYNTHIA_IDS: Meanings = numbered((
    ("void", ""), ("sky", "sky"), ("building", "building"), ("road", "road"), ("sidewalk", "sidewalk"),
    ("fence", "fence"), ("vegetation", "vegetation"), ("pole", "pole"), ("car", "car"),
    ("traffic sign", "traffic sign"), ("pedestrian", "person"), ("bicycle", "bicycle"), ("motorcycle", "motorcycle"),
    ("parking-slot", ""), ("road-work", ""), ("traffic light", "traffic light"), ("terrain", "terrain"),
    ("rider", "rider"), ("truck", "truck"), ("bus", "bus"), ("train", "train"), ("wall", "wall"),
    ("lanemarking", ""),
)) | {
    identity: Meaning(name, name, occurs=False) for identity, name in ((16, "terrain"), (18, "truck"), (20, "train"))
}  # fmt: skip


def synthia_meanings(split: SynthiaSplit) -> Meanings:
    """SYNTHIA's own ids, or the 19 train ids that a converter left in ``*_labelTrainIds.png``."""
    return SYNTHIA_IDS if split.label_ids == "synthia" else TRAIN_IDS


def synthia_entries(split: SynthiaSplit) -> Listing:
    """``RGB/0000000.png`` with the labels of the same names, sorted by id.

    Labels are in ``split.labels``, or else in the first of LABEL_FOLDERS that is there. Raises DataError where a
    folder is missing or holds no such file.
    """
    root = expanded(split.root)
    advice = "Set `root` to the folder RAND_CITYSCAPES, which holds RGB/ and GT/ as the archive unpacks them."
    images = required_folder(root, "RGB", advice)
    labels = first_folder(root, LABEL_FOLDERS if split.labels is None else (split.labels,), advice)
    image_names = list(files_below(images, IMAGE_SUFFIXES))
    if not image_names:
        raise DataError(f"{images}: holds no image; {advice}")
    train_ids = split.label_ids == "cityscapes-19"
    label_names = [name for name in files_below(labels, IMAGE_SUFFIXES) if name.endswith(TRAIN_ID_ENDING) == train_ids]
    if not label_names:
        raise DataError(_no_labels(labels, train_ids))
    return paired(images, image_names, labels, label_names, NAMING, Choice(split.listed, split.take))


def read_synthia_label(data: bytes) -> Image.Image:
    """The ids of a label in mode L or P: the first (red) channel of the published 16-bit PNG, or an 8-bit copy's one.

    The published files have 16 bits a channel, the class in the first and the instance in the second; a reader that
    keeps the upper eight bits (Pillow, and OpenCV without IMREAD_UNCHANGED) sees 0 to 3 instead. Raises DataError
    where the bytes are no such label.
    """
    if bits_of_png(data) == 16:
        class_HW = first_deep_channel(data)
        largest = int(class_HW.max())
        if largest > 255:
            raise DataError(f"holds {largest} in its first channel, where classes 0 to 22 should be (instances?)")
        return Image.fromarray(class_HW.astype(np.uint8))
    try:
        label = read_label(data)
    except DataError as error:
        if "label in mode RGB" not in str(error):
            raise
        raise DataError(
            "is a colour image of 8 bits, not SYNTHIA's 16-bit label: either GT/COLOR, which is for looking at, or a"
            " label that a program saved again and cut to its upper bits; unpack GT/LABELS again"
        ) from None
    if label.histogram()[255]:
        raise DataError("holds id 255, which SYNTHIA does not have: are these train ids? Say label_ids: cityscapes-19")
    return label


def _no_labels(labels: Path, train_ids: bool) -> str:
    if train_ids:
        return f"{labels}: holds no *{TRAIN_ID_ENDING}; leave label_ids out, or set `labels` to the folder that does"
    return f"{labels}: holds no label 0000000.png, …; if it holds *{TRAIN_ID_ENDING} only, say label_ids: cityscapes-19"
