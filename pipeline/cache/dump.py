"""Running the network over the target and writing its cache, part by part.

# N batch, C class, H/W pixels, h/w network resolution
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from pipeline.cache.parts import PartContent, is_finished, part_name, write_part
from pipeline.cache.schema import CacheSpec
from pipeline.cache.statistics import class_statistics, entropy_byte, planes
from pipeline.files import forget_partial_files

Network = Callable[[Tensor], Tensor]
"""uint8 images (N,3,H,W) on the CPU -> logits (N,C,h,w) at the network's own resolution, on its device."""
FullSize = Callable[[Tensor], Tensor]
"""logits (N,C,h,w) -> logits (N,C,H,W)."""


def dump(
    images: Callable[[list[int]], Tensor],
    image_ids: list[str],
    network: Network,
    full_size: FullSize,
    folder: Path,
    spec: CacheSpec,
    *,
    part_images: int,
    batch: int,
) -> int:
    """Writes the cache of all images into ``folder`` and answers how many parts were already there.

    ``images`` answers the uint8 images (N,3,H,W) of some positions. Memory holds one part and one batch.
    """
    folder.mkdir(parents=True, exist_ok=True)
    forget_partial_files(folder)
    parts = [
        list(range(first, min(first + part_images, len(image_ids)))) for first in range(0, len(image_ids), part_images)
    ]
    resumed = 0
    with tqdm(total=len(image_ids), unit="image", desc="dump", disable=None) as progress:
        for number, positions in enumerate(parts):
            path = folder / part_name(number)
            ids = [image_ids[position] for position in positions]
            if is_finished(path, spec, ids):
                resumed += 1
            else:
                write_part(path, spec, _part_content(images, positions, ids, network, full_size, spec, batch))
            progress.update(len(positions))
    return resumed


@torch.inference_mode()
def _part_content(
    images: Callable[[list[int]], Tensor],
    positions: list[int],
    ids: list[str],
    network: Network,
    full_size: FullSize,
    spec: CacheSpec,
    batch: int,
) -> PartContent:
    logits, labels, entropies = [], [], []
    statistics: dict[str, list[np.ndarray]] = {}
    for chosen in _batches(positions, batch):
        logits_NChw = network(images(chosen)).float()
        answer = planes(full_size(logits_NChw))
        logits.append(logits_NChw[:, None].cpu().numpy())
        labels.append(answer.label_NHW.to(torch.uint8).cpu().numpy())
        entropies.append(entropy_byte(answer.entropy_NHW, spec.classes).cpu().numpy())
        for name, value in class_statistics(answer, spec.classes).items():
            statistics.setdefault(name, []).append(value.cpu().numpy())
    return PartContent(
        image_ids=ids,
        logits_NVChw=np.concatenate(logits),
        label_NHW=np.concatenate(labels),
        entropy_NHW=np.concatenate(entropies),
        statistics={name: np.concatenate(values) for name, values in statistics.items()},
    )


def _batches(positions: list[int], size: int) -> Iterator[list[int]]:
    for first in range(0, len(positions), size):
        yield positions[first : first + size]
