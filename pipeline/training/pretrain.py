"""Training a start: a fresh network, on labelled images, with an alignment to the target's images or without."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import torch

from pipeline.checkpoints.weights import fill, require_class_names, weights_for
from pipeline.common.device import choose_computer
from pipeline.common.errors import ReadableError
from pipeline.common.files import file_hash
from pipeline.common.labels import ClassSet, class_set
from pipeline.datasets.manifest import manifest_path
from pipeline.models.base import SegmentationModel
from pipeline.models.build import build_model
from pipeline.training.alignment.build import adversary_of, alignment_of
from pipeline.training.distributed import common_folder, joined
from pipeline.training.objectives import supervised
from pipeline.training.run import common_inputs, finish, labelled_stream, run_loop, unlabelled_stream
from pipeline.translation.source import identity_of

if TYPE_CHECKING:
    from pipeline.params import AnyStart, Params


def pretrain(params: Params, name: str, start: AnyStart, destination: Path) -> None:
    """Trains a fresh network on the labelled images that the start names, and, aligned, on the target's images.

    A start with `weights` of its own is that checkpoint, untrained. Raises ReadableError where labels or weights lack.
    """
    computer = choose_computer(params.runtime.device, params.runtime.precision)
    if start.alignment == "none" and start.weights is not None:
        with joined(computer), common_folder(f"pretrain-{name}", weights=start.weights) as folder:
            _take_weights(params, name, Path(start.weights), folder, destination)
        return
    split = start.supervision
    if start.is_oracle and not manifest_path(split).exists():
        raise ReadableError(f"starts.{name}: needs labels of the target, and data.target has none; remove this start")
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
    """A network as the section `model` says: random or ImageNet weights, or a checkpoint's.

    What the section leaves open (preprocessing, ASPP branches), a checkpoint decides.
    """
    wanted = params.model
    if wanted.weights is None:
        return _fresh_model(params, classes, wanted.preprocessing, wanted.aspp_branches)
    model, _ = _filled_model(params, classes, Path(wanted.weights))
    return model


def _fresh_model(params: Params, classes: ClassSet, preprocessing: str | None, aspp_branches: int) -> SegmentationModel:
    wanted = params.model
    return build_model(
        wanted.architecture,
        len(classes),
        encoder=wanted.encoder,
        pretrained=wanted.pretrained,
        heads=wanted.heads,
        aspp_branches=aspp_branches,
        preprocessing=preprocessing,
        generator=torch.Generator().manual_seed(params.seed),
    )


def _filled_model(params: Params, classes: ClassSet, path: Path) -> tuple[SegmentationModel, list[str]]:
    """The network with a checkpoint's weights, and the parts that the checkpoint does not fill."""
    wanted = params.model
    found, spec = weights_for(path)
    require_class_names(found, classes.names, path)
    preprocessing = wanted.preprocessing or spec.preprocessing
    branches = wanted.aspp_branches if "aspp_branches" in wanted.model_fields_set else spec.aspp_branches
    print(f"{path}: {found.title}; {'; '.join(found.findings)}", flush=True)
    if (preprocessing, branches) != (spec.preprocessing, spec.aspp_branches):
        print(f"{path}: params.yaml decides: preprocessing {preprocessing}, {branches} ASPP branches", flush=True)
    model = _fresh_model(params, classes, preprocessing, branches)
    fresh = fill(model, found, path)
    if fresh:
        print(f"{path}: these start afresh: {', '.join(fresh)}", flush=True)
    return model, fresh


def _take_weights(params: Params, name: str, path: Path, folder: Path, destination: Path) -> None:
    """A start that is a checkpoint as it is: nothing is trained."""
    classes = class_set(params.classes)
    model, fresh = _filled_model(params, classes, path)
    if fresh:
        raise ReadableError(
            f"starts.{name}.weights: {path} does not fill {', '.join(fresh)} of a network of {len(classes)} classes "
            f"and {params.model.heads} head(s), and nothing is trained here; model.weights begins training from it"
        )
    finish(model, classes, folder, destination)
