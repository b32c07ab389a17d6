"""Training a start: a fresh network, on labelled images, with an alignment to the target's images or without."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import torch

from pipeline.datasets.manifest import manifest_path
from pipeline.device import choose_computer
from pipeline.errors import ReadableError
from pipeline.files import file_hash
from pipeline.labels import ClassSet, class_set
from pipeline.models.base import SegmentationModel
from pipeline.models.build import build_model
from pipeline.models.weights import load_weights
from pipeline.training.alignment.start import adversary_of, alignment_of
from pipeline.training.objectives import supervised
from pipeline.training.run import common_inputs, finish, labelled_stream, run_loop, unlabelled_stream
from pipeline.training.together import common_folder, joined
from pipeline.translation.source import identity_of

if TYPE_CHECKING:
    from pipeline.params import AnyStart, Params


def pretrain(params: Params, name: str, start: AnyStart, destination: Path) -> None:
    """Trains a fresh network on the labelled images that the start names, and, aligned, on the target's images."""
    split = start.supervision
    if start.is_oracle and not manifest_path(split).exists():
        raise ReadableError(f"starts.{name}: needs labels of the target, and data.target has none; remove this start")
    computer = choose_computer(params.runtime.device, params.runtime.precision)
    weights = params.model.weights
    inputs = {
        "start": start.model_dump(),
        "model": params.model.model_dump(),
        "training": params.pretrain.model_dump(),
        **identity_of(params, split),
        "weights": file_hash(Path(weights)) if weights is not None and Path(weights).is_file() else None,
        **common_inputs(params, computer),
    }
    if start.alignment != "none":
        inputs["target"] = (file_hash(manifest_path("target")), params.data.target.model_dump())
    with joined(computer), common_folder(f"pretrain-{name}", **inputs) as folder:
        classes = class_set(params.classes)
        model = new_model(params, classes)
        stream, images = labelled_stream(params, name, split, classes, params.pretrain, params.pretrain.batch)
        steps = params.pretrain.budget(len(images))
        alignment = alignment_of(start, len(classes), params.model.heads, params.seed)
        if alignment is None:
            run_loop(params, name, model, supervised, [stream], params.pretrain, steps, computer, folder)
        else:
            streams = [stream, unlabelled_stream(params, name, params.pretrain, params.pretrain.batch)]
            adversary = adversary_of(alignment, start, params.pretrain.schedule)
            objective = alignment.generator_terms
            run_loop(params, name, model, objective, streams, params.pretrain, steps, computer, folder, adversary)
        finish(model, classes, folder, destination)


def new_model(params: Params, classes: ClassSet) -> SegmentationModel:
    """A network as the section `model` says: random or ImageNet weights, or a checkpoint's."""
    wanted = params.model
    model = build_model(
        wanted.architecture,
        len(classes),
        encoder=wanted.encoder,
        pretrained=wanted.pretrained,
        heads=wanted.heads,
        aspp_branches=wanted.aspp_branches,
        preprocessing=wanted.preprocessing,
        generator=torch.Generator().manual_seed(params.seed),
    )
    if wanted.weights is not None:
        load_weights(model, Path(wanted.weights))
    return model
