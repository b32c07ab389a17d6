"""The stage pretrain: the frame around an initial model. What decides its result is in initial_models.py and run.py."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.common.errors import ReadableError
from pipeline.common.files import file_hash
from pipeline.common.labels import class_set
from pipeline.datasets.manifest import manifest_path
from pipeline.training.initial_models import initial_model_task
from pipeline.training.new_model import new_model, whole_checkpoint
from pipeline.training.run import RunSettings, fit
from pipeline.training.stage import finish, training_folder
from pipeline.translation.source import labelled_split

if TYPE_CHECKING:
    from pipeline.params import AnyStart, Params


def pretrain(params: Params, name: str, start: AnyStart, destination: Path) -> None:
    """Train a network on the labelled images that the start names, and, aligned, on the target's images.

    A start with `weights` of its own is that checkpoint, untrained.

    Raises:
        ReadableError: labels or weights are missing.
    """
    runtime, target = params.runtime, params.data.target
    run = RunSettings(
        name,
        seed=params.seed,
        size=params.data.size,
        classes=class_set(params.classes),
        labelled=labelled_split(params.data, start.supervision),
        model=params.model,
        training=params.pretrain,
    )
    if start.alignment == "none" and start.weights is not None:
        with training_folder(f"pretrain-{name}", run, runtime, weights=start.weights) as (folder, _):
            model = whole_checkpoint(run.model, run.classes, run.seed, Path(start.weights), name)
            finish(model, run.classes, folder, destination)
        return
    if start.is_oracle and not manifest_path(run.labelled.name).exists():
        raise ReadableError(f"starts.{name}: needs labels of the target, and data.target has none; remove this start")
    inputs: dict[str, Any] = {"start": start.model_dump()}
    if start.alignment != "none":
        inputs["target"] = (file_hash(manifest_path("target")), target.model_dump())
    with training_folder(f"pretrain-{name}", run, runtime, **inputs) as (folder, computer):
        model = new_model(run.model, run.classes, run.seed)
        fit(run, model, initial_model_task(run, start, target), runtime, computer, folder)
        finish(model, run.classes, folder, destination)
