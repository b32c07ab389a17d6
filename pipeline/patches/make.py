"""From a selection and its cache to the file of patches.

# C class, H/W pixels
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from pipeline.cache.reader import CacheReader
from pipeline.common.labels import IGNORE
from pipeline.methods.pseudo_labels import label_pixels
from pipeline.methods.selection_file import Selection, selection_fingerprint
from pipeline.patches.cut import random_boxes, zoomed_pseudo_label
from pipeline.patches.file import PatchWriter


def make_patches(
    reader: CacheReader,
    selection: Selection,
    target_image: Callable[[str], np.ndarray],
    destination: Path,
    *,
    patches: int,
    fraction: tuple[float, float],
    seed: int,
    round_name: str,
) -> int:
    """Cut ``patches`` windows of every selected image into ``destination`` and return how many there are.

    ``target_image`` returns an image (H,W,3) uint8 of the cache's size by its id. The windows depend on the seed, the
    round's name and the image's id only, so that another image in the selection does not move them.
    """
    with PatchWriter(destination, reader.spec.class_names, selection_fingerprint(selection)) as writer:
        for image_id in tqdm(selection.images if patches else [], unit="image", desc="patches", disable=None):
            pixels = reader.pixels(reader.index.number(image_id))
            assert pixels.prob_CHW is not None
            keep_HW = torch.from_numpy(label_pixels(pixels, selection) != IGNORE)
            image_HW3 = target_image(image_id)
            key = [seed, zlib.crc32(round_name.encode()), zlib.crc32(image_id.encode())]
            for box in random_boxes(reader.spec.size, fraction, patches, np.random.default_rng(key)):
                window_hw3 = image_HW3[box.top : box.top + box.height, box.left : box.left + box.width]
                label_HW = zoomed_pseudo_label(pixels.prob_CHW, keep_HW, box, selection.compat)
                writer.add(image_id, box, window_hw3, label_HW)
        return writer.count
