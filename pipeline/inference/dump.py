"""The images of the target through a network into its probability cache."""

# N batch, C class, H/W pixels, h/w network resolution

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from pipeline.cache.dump import Share, dump
from pipeline.cache.index import CacheIndex
from pipeline.cache.parts import part_name
from pipeline.cache.schema import CacheError, CacheSpec, Profile
from pipeline.common.device import Device
from pipeline.common.errors import ReadableError
from pipeline.common.files import file_hash, fingerprint
from pipeline.common.labels import ClassSet
from pipeline.common.work import place_of, publish, shared_working_folder, working_folder
from pipeline.datasets.loading import SplitImages
from pipeline.datasets.opening import content_of, images_of, require_classes
from pipeline.inference.views import Enlarge, enlarge_to, mean_probabilities, scaled_size, view_logits, views_of
from pipeline.models.base import SegmentationModel, full_size
from pipeline.models.state import load_model

if TYPE_CHECKING:
    from pipeline.params.params import Dump


def dump_target(
    name: str,
    model_path: Path,
    destination: Path,
    *,
    size: tuple[int, int],
    settings: Dump,
    classes: ClassSet,
    computer: Device,
    workers: int,
) -> None:
    """Cache the probabilities of a model on all target images; a killed run continues with the next part.

    Several processes may do it together, here or as tasks of a Slurm array: each writes its share of the parts, and
    the last to end publishes the cache. The bytes of the cache do not depend on how many they are.

    ``name`` is the round's, for its working folder; ``workers`` are threads that load and encode.

    Raises:
        ReadableError: the model's architecture does not allow the profile.
    """
    content = file_hash(model_path)
    inputs = {
        "model": content,
        "images": content_of("target"),
        "size": size,
        "dump": settings.model_dump(),
        "computer": (computer.device.type, computer.bfloat16),
    }
    require_classes("target", classes)
    images = images_of("target", size)
    model = load_model(model_path, "cpu")
    computer.place(model)
    spec = CacheSpec(
        fingerprint=fingerprint(**inputs),
        class_names=classes.names,
        size=images.size,
        profile=_profile(model, settings.profile),
        images=len(images),
        part_images=settings.part_images,
        align_corners=model.upsample is not None and model.upsample.align_corners,
        views=views_of(settings.scales, settings.flip),
        origin=f"{model_path}, content {content[:8]}",
    )
    share = share_of_process()
    with _working_folder(name, share, spec, destination, inputs) as folder:
        if share.writers > 1 and _is_published(spec, destination):
            return  # an earlier run had written all parts; the other processes published them before this one began
        resumed = _write_parts(model, images, spec, computer, folder / "cache", settings.batch, workers, share)
        if resumed:
            print(f"{name}: {resumed} parts of the cache were there already")
        if share.writers == 1:
            publish(folder / "cache", destination)


def _write_parts(
    model: SegmentationModel,
    images: SplitImages,
    spec: CacheSpec,
    computer: Device,
    folder: Path,
    batch: int,
    workers: int,
    share: Share,
) -> int:
    """Write a share of the cache's parts and return how many of them were there already."""
    network, enlarge = _network(model, spec, computer)
    with ThreadPoolExecutor(workers) as pool:

        def load(positions: list[int]) -> Tensor:
            return torch.from_numpy(np.stack(list(pool.map(images.image, positions)))).permute(0, 3, 1, 2).contiguous()

        return dump(
            load,
            list(images.manifest.ids()),
            network,
            folder,
            spec,
            batch=batch,
            workers=max(1, workers),
            share=share,
            average=partial(mean_probabilities, views=spec.views, enlarge=enlarge),
        )


def _network(
    model: SegmentationModel, spec: CacheSpec, computer: Device
) -> tuple[Callable[[Tensor], list[Tensor]], Enlarge]:
    """Return what computes the logits of each view of a batch, and what enlarges them to the cache's size.

    The profile ``probabilities`` enlarges in two steps: to the view's size in the precision of the forward pass, then
    to the cache's size in float32.
    """

    def network(image_N3HW: Tensor) -> list[Tensor]:
        return view_logits(model, image_N3HW, spec.views, computer)

    def at_view_size(image_N3HW: Tensor) -> list[Tensor]:
        sizes = [scaled_size(spec.size, view) for view in spec.views]
        return [full_size(model, low, size) for low, size in zip(network(image_N3HW), sizes, strict=True)]

    def interpolate(logits_NChw: Tensor) -> Tensor:
        same = tuple(logits_NChw.shape[-2:]) == spec.size
        return logits_NChw.float() if same else functional.interpolate(logits_NChw.float(), spec.size, mode="bilinear")

    return (network, enlarge_to(model, spec.size)) if spec.profile == "logits" else (at_view_size, interpolate)


def share_of_process() -> Share:
    """Return which share of the parts this process writes, among torchrun's processes in the tasks of a Slurm array."""
    task, tasks = (int(number) for number in os.environ.get("ROUNDABOUT_SHARE", "0/1").split("/"))
    rank, processes = int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))
    return Share(task * processes + rank, tasks * processes)


def _working_folder(
    name: str, share: Share, spec: CacheSpec, destination: Path, inputs: dict[str, Any]
) -> AbstractContextManager[Path]:
    """Return a working folder of this process alone, or the one that all writers of the cache share."""
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
    """Return whether this very cache is at its destination, whole; DVC removes older ones before the stage begins."""
    try:
        return CacheIndex(place_of(destination)).spec == spec
    except CacheError:
        return False


def _profile(model: SegmentationModel, profile: Literal["auto", "logits", "probabilities"]) -> Profile:
    exact = model.upsample is not None and model.upsample.mode == "bilinear"
    if profile == "logits" and not exact:
        raise ReadableError(
            "dump.profile: logits needs a network that ends in a fixed bilinear up-sample, and "
            f"{model.spec.get('architecture', 'this one')} does not; choose auto or probabilities"
        )
    if profile == "auto":
        return "logits" if exact else "probabilities"
    return profile
