"""The stage pretrain: the frame around an initial model. What decides its result is in initial_models.py and run.py."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.common.errors import ReadableError
from pipeline.common.labels import class_set
from pipeline.datasets.manifest import manifest_path
from pipeline.datasets.opening import content_of
from pipeline.training.initial_models import train_initial_model
from pipeline.training.new_model import whole_checkpoint
from pipeline.training.run import RunSettings
from pipeline.training.stage import finish, training_folder

if TYPE_CHECKING:
    from pipeline.params import AnyInitialModel, Params


def pretrain(params: Params, name: str, initial: AnyInitialModel, destination: Path) -> None:
    """Train a network on the labelled images that the initial model names, and, aligned, on the target's images.

    An initial model with `weights` of its own is that checkpoint, untrained.

    Raises:
        ReadableError: labels or weights are missing.
    """
    runtime = params.runtime
    run = RunSettings(
        name,
        seed=params.seed,
        size=params.data.size,
        classes=class_set(params.classes),
        labelled=initial.supervision,
        model=params.model,
        training=params.pretrain_of(name),
    )
    if initial.alignment == "none" and initial.weights is not None:
        with training_folder(f"pretrain-{name}", run, runtime, weights=initial.weights) as (folder, _):
            model = whole_checkpoint(run.model, run.classes, run.seed, Path(initial.weights), name)
            finish(model, run.classes, folder, destination, "model.pt")
        return
    if initial.is_oracle and not manifest_path(run.labelled).exists():
        raise ReadableError(
            f"initial_models.{name}: needs labels of the target, and data.target has none; remove this initial model"
        )
    # its changes are in the settings of the run: however they are written, equal settings are the same training
    inputs: dict[str, Any] = {"initial": initial.model_dump(exclude={"pretrain"})}
    if initial.alignment != "none":
        inputs["target"] = content_of("target")
    with training_folder(f"pretrain-{name}", run, runtime, **inputs) as (folder, device):
        model = train_initial_model(run, initial, runtime, device, folder)
        finish(model, run.classes, folder, destination, "model.pt")
