"""What training a start and training a round have in common: streams of samples, the loop, and what they leave.

A finished run leaves ``model.pt`` and ``curves/`` (one TSV per curve) in its folder.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.common.device import Device
from pipeline.common.errors import ReadableError
from pipeline.common.labels import ClassSet
from pipeline.common.work import publish
from pipeline.datasets.loading import SplitImages
from pipeline.datasets.opening import images_of, labels_of
from pipeline.models.base import SegmentationModel
from pipeline.models.build import set_normalisation
from pipeline.models.state import save_model
from pipeline.training.augmentation import Augment
from pipeline.training.batches import Stream
from pipeline.training.distributed import processes, rank, share_normalisation
from pipeline.training.image_samples import labelled_samples, unlabelled_samples
from pipeline.training.loop import Adversary, Plan, train
from pipeline.training.objectives import Objective
from pipeline.training.optimisation import make_optimiser
from pipeline.training.progress import CURVES
from pipeline.translation.source import labelled_images

if TYPE_CHECKING:
    from pipeline.params import Params, Training


def common_inputs(params: Params, computer: Device) -> dict[str, object]:
    return {
        "seed": params.seed,
        "classes": params.classes,
        "size": params.data.size,
        "computer": (computer.device.type, computer.bfloat16),
    }


def labelled_stream(
    params: Params, name: str, split: str, classes: ClassSet, training: Training, batch: int
) -> tuple[Stream, SplitImages]:
    """The endless stream of a labelled split, called ``source`` in batches, and its images.

    The split is source, target-labelled, or a translation of the source.
    """
    images, style = labelled_images(params, split)
    labels = labels_of(split, classes, images.size)
    samples = labelled_samples(images, labels, augment_of(training), style)
    return Stream("source", samples, len(images), batch, params.seed, name), images


def unlabelled_stream(params: Params, name: str, training: Training, batch: int) -> Stream:
    """The endless stream of the target's images, called ``target`` in batches; every pixel's label is ignored."""
    images = images_of("target", params.data.size)
    return Stream("target", unlabelled_samples(images, augment_of(training)), len(images), batch, params.seed, name)


def augment_of(training: Training) -> Augment:
    """The random changes that a training section asks for."""
    wanted = training.augmentation
    return Augment(wanted.flip, wanted.scale, wanted.colour)


def run_loop(
    params: Params,
    name: str,
    model: SegmentationModel,
    objective: Objective,
    streams: list[Stream],
    training: Training,
    steps: int,
    computer: Device,
    folder: Path,
    adversary: Adversary | None = None,
) -> None:
    """Runs the loop in ``folder``, with the params' optimiser and schedule.

    Raises ReadableError where more processes train together than a batch has images.
    """
    runtime = params.runtime
    set_normalisation(model, params.model.normalisation)
    computer.place(model)
    share_normalisation(model, computer)
    if adversary is not None:
        computer.place(adversary.module)
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
    shares = [_share_of_process(stream) for stream in streams]
    train(model, objective, shares, optimiser, plan, computer, folder, name=name, seed=params.seed, adversary=adversary)


def _share_of_process(stream: Stream) -> Stream:
    if stream.batch < processes():
        raise ReadableError(
            f"{stream.run}: {processes()} processes cannot share batches of {stream.batch} ({stream.name}); "
            "make the batch larger in params.yaml, or take fewer processes or gpus in site.yaml"
        )
    return stream._replace(rank=rank(), processes=processes())


def finish(model: SegmentationModel, classes: ClassSet, folder: Path, destination: Path) -> None:
    """Saves the model and moves it and the curves to the run's folder; of several processes, the first one does."""
    if rank() > 0:
        return
    save_model(model, folder / "model.pt", spec={"class_names": list(classes.names)})
    (folder / "live" / CURVES).mkdir(parents=True, exist_ok=True)  # a start that is not trained has no curves
    # A copy: killed between the two moves, the next run still finds the curves in the working folder.
    shutil.copytree(folder / "live" / CURVES, folder / "curves", dirs_exist_ok=True)
    publish(folder / "curves", destination / "curves")
    publish(folder / "model.pt", destination / "model.pt")
