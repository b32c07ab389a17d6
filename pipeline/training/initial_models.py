"""What a network learns before the first round: labelled images, aligned with the target's images or not."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.common.device import Device
from pipeline.models.base import SegmentationModel
from pipeline.training.alignment.build import adversary_of, alignment_of
from pipeline.training.new_model import new_model
from pipeline.training.objectives import supervised
from pipeline.training.run import RunSettings, Task, fit, labelled_stream, steps_of, unlabelled_stream

if TYPE_CHECKING:
    from pipeline.params import AnyInitialModel, Runtime


def train_initial_model(
    run: RunSettings, initial: AnyInitialModel, runtime: Runtime, device: Device, folder: Path
) -> SegmentationModel:
    """Return a new network after its training, which is resumed from ``folder`` where it has begun."""
    model = new_model(run.model, run.classes, run.seed)
    fit(run, model, initial_model_task(run, initial), runtime, device, folder)
    return model


def initial_model_task(run: RunSettings, initial: AnyInitialModel) -> Task:
    """Return what the network of ``initial`` learns; the target's images are opened only if it aligns to them."""
    source = labelled_stream(run, run.training.batch)
    steps = steps_of(run.training, source.length)
    alignment = alignment_of(initial, len(run.classes), run.model.heads, run.seed)
    if alignment is None:
        return Task(supervised, [source], steps)
    streams = [source, unlabelled_stream(run)]
    return Task(alignment.generator_terms, streams, steps, adversary_of(alignment, initial, run.training.schedule))
