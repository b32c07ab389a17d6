"""What training an initial model and training a round have in common: settings, streams of samples, and the loop."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from torch.nn import Module

from pipeline.common.device import Device
from pipeline.common.errors import ReadableError
from pipeline.common.labels import ClassSet
from pipeline.datasets.opening import images_of, labels_of
from pipeline.models.base import SegmentationModel
from pipeline.models.build import set_normalisation
from pipeline.training.augmentation import Augment
from pipeline.training.batches import SampleAt, Stream
from pipeline.training.class_weights import class_weights
from pipeline.training.distributed import rank, share_normalisation, world_size
from pipeline.training.ema import Ema, decay_of
from pipeline.training.image_samples import labelled_samples, unlabelled_samples
from pipeline.training.loop import Adversary, Plan, train
from pipeline.training.objectives import Objective
from pipeline.training.optimisation import make_optimiser
from pipeline.training.photometric import photometric_of
from pipeline.translation.source import identity_of, labelled_images

if TYPE_CHECKING:
    from pipeline.params import Model, Runtime, Training


SOURCE = "source"
"""What batches call the stream of labelled images, whichever split it is."""


@dataclass(frozen=True)
class RunSettings:
    """What params.yaml says of every run, whether of an initial model or of a round; it decides the run's result."""

    name: str
    seed: int
    size: tuple[int, int]
    """(H,W) that the network sees, of splits without a size of their own."""
    classes: ClassSet
    labelled: str
    """The split with labels that it learns from: data/prepared/NAME."""
    model: Model
    training: Training

    def identity(self) -> dict[str, Any]:
        """Return plain values and hashes that differ where the settings or the labelled split do, whatever the name."""
        return {
            "seed": self.seed,
            "size": self.size,
            "classes": self.classes.names,
            "labelled": identity_of(self.labelled),
            "model": self.model.model_dump(),
            "training": self.training.model_dump(),
        }

    def stream(self, kind: str, samples: SampleAt, length: int, batch: int | None = None) -> Stream:
        """Return the endless stream that batches call ``kind``; ``batch`` defaults to that of the training section."""
        return Stream(kind, samples, length, self.training.batch if batch is None else batch, self.seed, self.name)


class Task(NamedTuple):
    """What a network learns in one run: an objective on some streams, for so many steps."""

    objective: Objective
    streams: list[Stream]
    steps: int
    adversary: Adversary | None = None
    state: Module | None = None
    """What the objective keeps from step to step, as buffers."""
    taught_by: Callable[[SegmentationModel], object] | None = None
    """Hands the moving average of the network to the objective; a task with it always has an average."""
    ema: type[Ema[SegmentationModel]] = Ema


def labelled_stream(run: RunSettings, batch: int, augment: Augment | None = None) -> Stream:
    """Return the stream of the run's labelled split, called ``source`` in batches.

    ``augment`` defaults to what the training section asks for.
    """
    images, style = labelled_images(run.labelled, run.size)
    labels = labels_of(run.labelled, run.classes, images.size)
    samples = labelled_samples(images, labels, augment or augment_of(run.training), style)
    return run.stream(SOURCE, samples, len(images), batch)


def unlabelled_stream(run: RunSettings) -> Stream:
    """Return the stream of the target's images, called ``target`` in batches; every pixel's label is ignored."""
    images = images_of("target", run.size)
    return run.stream("target", unlabelled_samples(images, augment_of(run.training)), len(images))


def steps_of(training: Training, images: int) -> int:
    """Return the number of optimiser steps for a set of so many images."""
    if training.steps is not None:
        return training.steps
    assert training.epochs is not None
    return max(1, round(training.epochs * images / training.batch))


def augment_of(training: Training) -> Augment:
    """Return the random changes that a training section asks for."""
    changes = training.augmentation
    return Augment(changes.flip, changes.scale, changes.colour, photometric_of(changes))


def plan_of(training: Training, steps: int, runtime: Runtime, *, compiled: bool) -> Plan:
    """Return how the loop runs; ``compiled`` networks go through torch.compile."""
    how_often = (runtime.checkpoint_every, runtime.log_every)
    return Plan(steps, training.schedule, training.gradient_clip, *how_often, runtime.workers, compiled)


def fit(
    run: RunSettings, model: SegmentationModel, task: Task, runtime: Runtime, computer: Device, folder: Path
) -> None:
    """Train the model in place, resumed from ``folder`` where it has begun.

    The stream of labelled images, where there is one, has the weights of classes that the training section asks for.

    Where the training section asks for an average of the weights, the model ends as that average, and its spec says so.

    Raises:
        ReadableError: more processes train together than a batch has images.
    """
    training, adversary = run.training, task.adversary
    set_normalisation(model, run.model.normalisation)
    computer.place(model)
    share_normalisation(model, computer)
    decay = decay_of(training.ema, task.steps, teaches=task.taught_by is not None)
    ema = None if decay is None else task.ema(model, decay)
    if ema is not None and task.taught_by is not None:
        task.taught_by(ema.model)
    if adversary is not None:
        computer.place(adversary.module)
    if task.state is not None:
        task.state.to(computer.device)
    plan = plan_of(training, task.steps, runtime, compiled=runtime.compile)
    optimiser = make_optimiser(model.parameter_groups(), training.optimiser, model.norm_parameters())
    weight_C = class_weights(run, folder) if any(stream.name == SOURCE for stream in task.streams) else None
    weight_C = None if weight_C is None else weight_C.to(computer.device)
    streams = [
        _share_of_process(stream._replace(class_weight_C=weight_C) if stream.name == SOURCE else stream)
        for stream in task.streams
    ]
    train(
        model, task.objective, streams, optimiser, plan, computer, folder,
        name=run.name, seed=run.seed, adversary=adversary, ema=ema, state=task.state,
    )  # fmt: skip
    _end_as_average(model, ema)


def _end_as_average(model: SegmentationModel, ema: Ema[SegmentationModel] | None) -> None:
    model.spec.pop("ema", None)  # of the network that a round begins with
    if ema is not None and ema.is_result:
        model.load_state_dict(ema.model.state_dict())
        model.spec["ema"] = ema.decay


def _share_of_process(stream: Stream) -> Stream:
    if stream.batch < world_size():
        raise ReadableError(
            f"{stream.run}: {world_size()} processes cannot share batches of {stream.batch} ({stream.name}); "
            "make the batch larger in params.yaml, or take fewer processes or gpus in site.yaml"
        )
    return stream._replace(rank=rank(), processes=world_size())
