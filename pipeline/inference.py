"""Running a model over the target into its cache."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from pipeline.cache.dump import Share, dump
from pipeline.cache.index import CacheIndex
from pipeline.cache.parts import part_name
from pipeline.cache.schema import CacheError, CacheSpec, Profile, View
from pipeline.common.device import Device, select_device
from pipeline.common.errors import ReadableError
from pipeline.common.files import file_hash, fingerprint
from pipeline.common.labels import class_set
from pipeline.common.work import place_of, publish, shared_working_folder, working_folder
from pipeline.datasets.opening import content_of, images_of
from pipeline.models.base import SegmentationModel, full_size
from pipeline.models.state import load_model

if TYPE_CHECKING:
    from pipeline.params import Params


def dump_target(params: Params, name: str, model_path: Path, destination: Path) -> None:
    """Caches the probabilities of a model on all target images; a killed run continues with the next part.

    Several processes may do it together, here or as tasks of a cluster's job: each makes its share of the parts, and
    the last to end publishes the cache. The bytes of the cache do not depend on how many they are.

    Raises ReadableError for a profile that the model's architecture does not allow.
    """
    computer = select_device(params.runtime.device, params.runtime.precision)
    content = file_hash(model_path)
    inputs = {
        "model": content,
        "images": content_of("target"),
        "size": params.data.size,
        "dump": params.dump.model_dump(),
        "computer": (computer.device.type, computer.bfloat16),
    }
    images = images_of("target", params.data.size)
    model = load_model(model_path, "cpu")
    computer.place(model)
    spec = CacheSpec(
        fingerprint=fingerprint(**inputs),
        class_names=class_set(params.classes).names,
        size=images.size,
        profile=_profile(model, params.dump.profile),
        images=len(images),
        part_images=params.dump.part_images,
        align_corners=model.upsample is not None and model.upsample.align_corners,
        views=tuple(View(scale, flip) for scale in params.dump.scales for flip in sorted({False, params.dump.flip})),
        origin=f"{model_path}, content {content[:8]}",
    )
    share = share_of_process()
    with (
        _folder_for(name, share, spec, destination, inputs) as folder,
        ThreadPoolExecutor(params.runtime.workers) as pool,
    ):
        if share.writers > 1 and _is_published(spec, destination):
            return  # the others found all parts made by an earlier run, and were gone before this process came

        def load(positions: list[int]) -> Tensor:
            return torch.from_numpy(np.stack(list(pool.map(images.image, positions)))).permute(0, 3, 1, 2).contiguous()

        resumed = dump(
            load,
            list(images.manifest.ids()),
            lambda image_N3HW: [_logits(model, image_N3HW, view, spec, computer) for view in spec.views],
            folder / "cache",
            spec,
            batch=params.dump.batch,
            workers=max(1, params.runtime.workers),
            share=share,
        )
        if resumed:
            print(f"{name}: {resumed} parts of the cache were there already")
        if share.writers == 1:
            publish(folder / "cache", destination)


def share_of_process() -> Share:
    """Which share of the parts is this process's, among torchrun's processes in a cluster's array of jobs."""
    task, tasks = (int(number) for number in os.environ.get("ROUNDABOUT_SHARE", "0/1").split("/"))
    rank, processes = int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))
    return Share(task * processes + rank, tasks * processes)


def _folder_for(
    name: str, share: Share, spec: CacheSpec, destination: Path, inputs: dict[str, Any]
) -> AbstractContextManager[Path]:
    """The working folder: one's own, or the one that all who make a share are in."""
    if share.writers == 1:
        return working_folder(f"dump-{name}", **inputs)

    def publish_whole(folder: Path) -> bool:
        if _is_published(spec, destination):
            return True
        if any(not (folder / "cache" / part_name(number)).exists() for number in range(spec.parts)):
            return False
        publish(folder / "cache", destination)
        return True

    return shared_working_folder(f"dump-{name}", publish_whole, **inputs)


def _is_published(spec: CacheSpec, destination: Path) -> bool:
    """Whether the very cache lies in its place, whole; an older one DVC has removed before it started the stage."""
    try:
        return CacheIndex(place_of(destination)).spec == spec
    except CacheError:
        return False


def _profile(model: SegmentationModel, wanted: Literal["auto", "logits", "probabilities"]) -> Profile:
    exact = model.upsample is not None and model.upsample.mode == "bilinear"
    if wanted == "logits" and not exact:
        raise ReadableError(
            "dump.profile: logits needs a network that ends in a fixed bilinear up-sample, and "
            f"{model.spec.get('architecture', 'this one')} does not; say auto or probabilities"
        )
    if wanted == "auto":
        return "logits" if exact else "probabilities"
    return wanted


def _logits(model: SegmentationModel, image_N3HW: Tensor, view: View, spec: CacheSpec, computer: Device) -> Tensor:
    """What the model answers for one view: at its own resolution, or at full size where the cache keeps volumes."""
    input_N3hw = model.preprocessing(image_N3HW.to(computer.device))
    if view.scale != 1:
        size = [max(1, round(side * view.scale)) for side in spec.size]
        input_N3hw = functional.interpolate(input_N3hw, size, mode="bilinear", antialias=True)
    if view.flip:
        input_N3hw = input_N3hw.flip(-1)
    with computer.autocast():
        logits_NChw: Tensor = model(input_N3hw)[0]
    if spec.profile == "logits":
        return logits_NChw
    logits_NChw = full_size(model, logits_NChw, (input_N3hw.shape[2], input_N3hw.shape[3]))
    if view.scale != 1:
        logits_NChw = functional.interpolate(logits_NChw.float(), spec.size, mode="bilinear")
    return logits_NChw
