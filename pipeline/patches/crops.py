"""Crops of images with their pseudo-labels at their own scale: whole images, or windows centred on rare classes.

CBST calls the latter mining: a class with few pixels is seen in few random crops, and forgotten (Zou et al., Sec. 5).

# C class, H/W pixels
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
from tqdm import tqdm

from pipeline.cache.index import CacheIndex
from pipeline.cache.reader import CacheReader
from pipeline.common.box import Box
from pipeline.common.labels import IGNORE
from pipeline.methods.pseudo_labels import pseudo_label
from pipeline.methods.selection_file import Selection, selection_fingerprint
from pipeline.patches.cut import random_boxes
from pipeline.patches.file import PatchWriter


def rare_classes(index: CacheIndex, below: float) -> list[int]:
    """Return the classes that are predicted somewhere, but on less than this share of all pixels."""
    share_C = index.statistic("pixel_count").sum(axis=0) / (len(index) * np.prod(index.spec.size))
    return [int(index) for index in np.flatnonzero((share_C > 0) & (share_C < below))]


def make_crops(
    reader: CacheReader,
    selection: Selection,
    target_image: Callable[[str], np.ndarray],
    destination: Path,
    *,
    crops: int,
    fraction: tuple[float, float],
    mined: list[int],
    mine_chance: float,
    seed: int,
    round_name: str,
) -> int:
    """Cut ``crops`` windows of every selected image into ``destination`` and return how many there are.

    A crop is centred, as far as the border allows, on a random pixel of a random class of ``mined`` that the image's
    pseudo-label has, with chance ``mine_chance``; else it lies anywhere. An image whose label is ignored everywhere is
    left out. The windows depend on the seed, the round's name and the image's id only.
    """
    with PatchWriter(destination, reader.spec.class_names, selection_fingerprint(selection)) as writer:
        for image_id in tqdm(selection.images, unit="image", desc="crops", disable=None):
            label_HW = pseudo_label(reader, selection, image_id)
            if (label_HW == IGNORE).all():
                continue
            image_HW3 = target_image(image_id)
            generator = np.random.default_rng([seed, zlib.crc32(round_name.encode()), zlib.crc32(image_id.encode())])
            for box in random_boxes(reader.spec.size, fraction, crops, generator):
                if mined and generator.random() < mine_chance:
                    box = centred_on_a_class(box, label_HW, mined, generator)
                rows, columns = slice(box.top, box.top + box.height), slice(box.left, box.left + box.width)
                writer.add(image_id, box, image_HW3[rows, columns], label_HW[rows, columns])
        return writer.count


def centred_on_a_class(box: Box, label_HW: np.ndarray, classes: list[int], generator: np.random.Generator) -> Box:
    """Return a window of that size around a random pixel of one of the classes, or the window itself without one."""
    present = [index for index in classes if (label_HW == index).any()]
    if not present:
        return box
    pixels = np.argwhere(label_HW == present[int(generator.integers(len(present)))])
    row, column = pixels[int(generator.integers(len(pixels)))]
    height, width = label_HW.shape
    top = int(np.clip(row - box.height // 2, 0, height - box.height))
    left = int(np.clip(column - box.width // 2, 0, width - box.width))
    return box._replace(top=top, left=left)


def keep_unlabelled(
    reader: CacheReader, image_ids: list[str], target_image: Callable[[str], np.ndarray], destination: Path
) -> None:
    """Write whole images with IGNORE everywhere as labels: an alignment sees them, no pseudo-label is learnt."""
    height, width = reader.spec.size
    label_HW = np.full((height, width), IGNORE, np.uint8)
    with PatchWriter(destination, reader.spec.class_names) as writer:
        for image_id in tqdm(image_ids, unit="image", desc="hard images", disable=None):
            writer.add(image_id, Box(0, 0, height, width), target_image(image_id), label_HW)
