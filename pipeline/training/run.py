"""Training a start and training a round: what goes into the one loop.

A finished run leaves ``model.pt`` and ``curves/`` (one TSV per curve) in its folder.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import torch

from pipeline.datasets.loading import SplitImages
from pipeline.datasets.opening import images_of, labels_of
from pipeline.datasets.prepare import manifest_path
from pipeline.device import choose_computer
from pipeline.errors import ReadableError
from pipeline.files import file_hash
from pipeline.labels import ClassSet, class_set
from pipeline.models.base import SegmentationModel
from pipeline.models.build import build_model, set_normalisation
from pipeline.models.state import load_model, save_model
from pipeline.models.weights import load_weights
from pipeline.patches.file import PatchFile
from pipeline.training.augmentation import Augment
from pipeline.training.batches import Stream
from pipeline.training.loop import Plan, train
from pipeline.training.objectives import LseObjective, Objective, supervised
from pipeline.training.optimisation import make_optimiser
from pipeline.training.progress import CURVES
from pipeline.training.sources import labelled_samples, patch_samples
from pipeline.work import publish, working_folder

if TYPE_CHECKING:
    from pipeline.params import LseRound, Params, Start, Training


def pretrain(params: Params, name: str, start: Start, destination: Path) -> None:
    """Trains a fresh network on the labels that the start may see."""
    split = "source" if start.supervision == "source" else "target-labelled"
    if not manifest_path(split).exists():
        raise ReadableError(f"starts.{name}: needs labels of the target, and data.target has none; remove this start")
    inputs = {
        "start": start.model_dump(),
        "model": params.model.model_dump(),
        "training": params.pretrain.model_dump(),
        "images": file_hash(manifest_path(split)),
        **_common_inputs(params),
    }
    with working_folder(f"pretrain-{name}", **inputs) as folder:
        classes = class_set(params.classes)
        model = _new_model(params, classes)
        stream, images = _labelled_stream(params, split, classes, params.pretrain, params.pretrain.batch)
        steps = params.pretrain.budget(len(images))
        _run(params, name, model, supervised, [stream], params.pretrain, steps, folder)
        _finish(model, classes, folder, destination)


def adapt(params: Params, name: str, entry: LseRound, init: Path, destination: Path) -> None:
    """Trains the round's initial network on its patches and on the labelled source."""
    patches_path = destination / "patches" / "patches.h5"
    inputs = {
        "round": {"method": entry.method},
        "method": params.lse.model_dump(),
        "training": params.adapt.model_dump(),
        "normalisation": params.model.normalisation,
        "init": file_hash(init / "model.pt"),
        "patches": file_hash(patches_path),
        "source": file_hash(manifest_path("source")),
        **_common_inputs(params),
    }
    with working_folder(f"adapt-{name}", **inputs) as folder:
        classes = class_set(params.classes)
        model = load_model(init / "model.pt", "cpu")
        patches = PatchFile(patches_path)
        if not len(patches):
            raise ReadableError(f"{patches_path}: holds no patch: the selection is empty; raise rounds.{name}.portion")
        augment = _augment(params.adapt)
        streams = [Stream("patches", patch_samples(patches, augment), len(patches), params.adapt.batch, params.seed)]
        if params.adapt.source_batch:
            streams.append(_labelled_stream(params, "source", classes, params.adapt, params.adapt.source_batch)[0])
        objective = LseObjective(params.lse.focal_beta, params.lse.focal_gamma, params.lse.focal_of)
        _run(params, name, model, objective, streams, params.adapt, params.adapt.budget(len(patches)), folder)
        _finish(model, classes, folder, destination)


def _common_inputs(params: Params) -> dict[str, object]:
    return {
        "seed": params.seed,
        "classes": params.classes,
        "data": params.data.model_dump(),
        "precision": (params.runtime.device, params.runtime.precision),
    }


def _new_model(params: Params, classes: ClassSet) -> SegmentationModel:
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


def _labelled_stream(
    params: Params, split: str, classes: ClassSet, training: Training, batch: int
) -> tuple[Stream, SplitImages]:
    described = params.data.source if split == "source" else params.data.target
    images = images_of(split, described, params.data.size)
    labels = labels_of(split, described, classes, images.size)
    samples = labelled_samples(images, labels, _augment(training))
    return Stream("source", samples, len(images), batch, params.seed), images


def _augment(training: Training) -> Augment:
    wanted = training.augmentation
    return Augment(wanted.flip, wanted.scale, wanted.colour)


def _run(
    params: Params,
    name: str,
    model: SegmentationModel,
    objective: Objective,
    streams: list[Stream],
    training: Training,
    steps: int,
    folder: Path,
) -> None:
    runtime = params.runtime
    computer = choose_computer(runtime.device, runtime.precision)
    set_normalisation(model, params.model.normalisation)
    computer.place(model)
    plan = Plan(
        steps=steps,
        schedule=training.schedule,
        gradient_clip=training.gradient_clip,
        checkpoint_every=runtime.checkpoint_every,
        log_every=runtime.log_every,
        threads=runtime.workers,
        compile=runtime.compile,
    )
    optimiser = make_optimiser(model.parameter_groups(), training.optimiser)
    train(model, objective, streams, optimiser, plan, computer, folder, name=name, seed=params.seed)


def _finish(model: SegmentationModel, classes: ClassSet, folder: Path, destination: Path) -> None:
    save_model(model, folder / "model.pt", spec={"class_names": list(classes.names)})
    publish(folder / "live" / CURVES, destination / "curves")
    publish(folder / "model.pt", destination / "model.pt")
