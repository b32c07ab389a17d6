"""The network that training begins with, as the section ``model`` of params.yaml describes it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import torch

from pipeline.common.errors import ReadableError
from pipeline.common.labels import ClassSet
from pipeline.models.base import SegmentationModel
from pipeline.models.build import build_model
from pipeline.training.fill import fill

if TYPE_CHECKING:
    from pipeline.params import Model


def new_model(settings: Model, classes: ClassSet, seed: int) -> SegmentationModel:
    """Return a network with random or ImageNet weights, or with those of the checkpoint ``settings.weights``.

    What the section leaves open (preprocessing, ASPP branches), a checkpoint decides.
    """
    if settings.weights is None:
        return _random_model(settings, classes, seed, settings.preprocessing, settings.aspp_branches)
    return _filled_model(settings, classes, seed, Path(settings.weights))[0]


def whole_checkpoint(settings: Model, classes: ClassSet, seed: int, path: Path, name: str) -> SegmentationModel:
    """Return the network with a checkpoint's weights, as the initial model ``name`` that is not trained.

    Raises:
        ReadableError: the checkpoint leaves parts of the network unfilled.
    """
    model, fresh = _filled_model(settings, classes, seed, path)
    if fresh:
        raise ReadableError(
            f"initial_models.{name}.weights: {path} does not fill {', '.join(fresh)} of a network of "
            f"{len(classes)} classes and {settings.heads} head(s), and nothing is trained here; model.weights begins "
            "training from it"
        )
    return model


def _random_model(
    settings: Model, classes: ClassSet, seed: int, preprocessing: str | None, aspp_branches: int
) -> SegmentationModel:
    model = build_model(
        settings.architecture,
        len(classes),
        encoder=settings.encoder,
        pretrained=settings.pretrained is True,
        heads=settings.heads,
        aspp_branches=aspp_branches,
        preprocessing=preprocessing,
        generator=torch.Generator().manual_seed(seed),
    )
    if isinstance(settings.pretrained, str):
        from pipeline.checkpoints.encoder_file import fill_encoder

        print(fill_encoder(model, Path(settings.pretrained)), flush=True)
    return model


def _filled_model(settings: Model, classes: ClassSet, seed: int, path: Path) -> tuple[SegmentationModel, list[str]]:
    """Return the network with a checkpoint's weights, and the parts that the checkpoint does not fill."""
    # Imported here: of the runs without weights of their own none depends on the kinds of checkpoints
    from pipeline.checkpoints.weights import require_class_names, weights_for

    weights, spec = weights_for(path)
    require_class_names(weights, classes.names, path)
    preprocessing = settings.preprocessing or spec.preprocessing
    branches = settings.aspp_branches if "aspp_branches" in settings.model_fields_set else spec.aspp_branches
    print(f"{path}: {weights.title}; {'; '.join(weights.findings)}", flush=True)
    if (preprocessing, branches) != (spec.preprocessing, spec.aspp_branches):
        print(f"{path}: params.yaml decides: preprocessing {preprocessing}, {branches} ASPP branches", flush=True)
    model = _random_model(settings, classes, seed, preprocessing, branches)
    fresh = fill(model, weights, path)
    if fresh:
        print(f"{path}: these parts keep random weights: {', '.join(fresh)}", flush=True)
    return model, fresh
