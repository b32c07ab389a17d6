"""Running a model over the target into its cache."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from pipeline.cache.dump import dump
from pipeline.cache.schema import CacheSpec
from pipeline.datasets.opening import images_of
from pipeline.datasets.prepare import manifest_path
from pipeline.device import Computer, choose_computer
from pipeline.files import file_hash, fingerprint
from pipeline.labels import class_set
from pipeline.models.base import SegmentationModel, full_size
from pipeline.models.state import load_model
from pipeline.work import publish, working_folder

if TYPE_CHECKING:
    from pipeline.params import Params


def dump_target(params: Params, name: str, model_path: Path, destination: Path) -> None:
    """Caches the probabilities of a model on all target images; a killed run continues with the next part."""
    computer = choose_computer(params.runtime.device, params.runtime.precision)
    inputs = {
        "model": file_hash(model_path),
        "images": file_hash(manifest_path("target")),
        "target": params.data.target.model_dump(),
        "size": params.data.size,
        "part_images": params.dump.part_images,
        "batch": params.dump.batch,
        "computer": (computer.device.type, computer.bfloat16),
    }
    images = images_of("target", params.data.target, params.data.size)
    model = load_model(model_path, "cpu")
    computer.place(model)
    upsample = model.upsample
    spec = CacheSpec(
        fingerprint=fingerprint(**inputs),
        class_names=class_set(params.classes).names,
        size=images.size,
        upsample_mode="none" if upsample is None else upsample.mode,
        align_corners=upsample is not None and upsample.align_corners,
    )
    with working_folder(f"dump-{name}", **inputs) as folder, ThreadPoolExecutor(params.runtime.workers) as pool:

        def load(positions: list[int]) -> Tensor:
            return torch.from_numpy(np.stack(list(pool.map(images.image, positions)))).permute(0, 3, 1, 2).contiguous()

        resumed = dump(
            load,
            list(images.manifest.ids()),
            lambda batch_N3HW: _logits(model, batch_N3HW, computer),
            lambda logits_NChw: full_size(model, logits_NChw, images.size),
            folder / "cache",
            spec,
            part_images=params.dump.part_images,
            batch=params.dump.batch,
        )
        if resumed:
            print(f"{name}: {resumed} parts of the cache were there already")
        publish(folder / "cache", destination)


def _logits(model: SegmentationModel, image_N3HW: Tensor, computer: Computer) -> Tensor:
    with computer.autocast():
        logits_NChw: Tensor = model(model.preprocessing(image_N3HW.to(computer.device)))[0]
    return logits_NChw
