"""How each method trains its round: one dict from its name to what is particular about it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from pipeline.common.device import Device
from pipeline.common.errors import ReadableError, did_you_mean
from pipeline.models.base import SegmentationModel
from pipeline.models.state import load_model
from pipeline.patches.file import HARD, PatchFile
from pipeline.training.batches import share_of
from pipeline.training.intra_domain import intra_domain
from pipeline.training.new_model import new_model
from pipeline.training.objectives import PseudoLabelObjective
from pipeline.training.patch_samples import patch_samples
from pipeline.training.run import RunSettings, Task, augment_of, fit, labelled_stream, steps_of
from pipeline.training.teacher.task import teacher_task

if TYPE_CHECKING:
    from pipeline.methods.teacher import TeacherRound
    from pipeline.params import Round, Runtime


@dataclass(frozen=True)
class MethodTraining:
    """What is particular about a method's training; ``section`` is its section of params.yaml, ``entry`` the round's.

    Attributes:
        objective: of the section.
        begins_fresh: of the section: whether a new network is trained instead of the initial one.
        aligned_corners: of the section: the rule by which patches are zoomed to the size of their labels.
        source_portion: of the entry: the share of the labelled source that is trained on; None takes it as it is.
        aligns_hard_images: no labelled source takes part, but the images that were not selected (IntraDA).
        teaches: a moving average of the network labels the target's images (pipeline/training/teacher).
    """

    objective: Callable[[Any], PseudoLabelObjective] = lambda section: PseudoLabelObjective()
    begins_fresh: Callable[[Any], bool] = lambda section: False
    aligned_corners: Callable[[Any], bool] = lambda section: False
    source_portion: Callable[[Any], float | None] = lambda entry: None
    aligns_hard_images: bool = False
    teaches: bool = False


TRAINS = {
    "lse": MethodTraining(
        objective=lambda lse: PseudoLabelObjective(lse.focal_beta, lse.focal_gamma, lse.focal_of),
        aligned_corners=lambda lse: lse.compat == "author",
    ),
    "cbst": MethodTraining(
        source_portion=lambda entry: entry.source_portion,
    ),
    "intrada": MethodTraining(
        begins_fresh=lambda intrada: intrada.begin == "fresh",
        aligns_hard_images=True,
    ),
    "cada": MethodTraining(
        objective=lambda cada: PseudoLabelObjective(over_all_pixels=True),
    ),
    "teacher": MethodTraining(
        teaches=True,
    ),
}


def training_of(method: str) -> MethodTraining:
    """Return how a method trains.

    Raises:
        ReadableError: no method of that name trains a round.
    """
    if method not in TRAINS:
        hint = did_you_mean(method, list(TRAINS))
        raise ReadableError(f"no method {method!r} trains a round; choose one of {', '.join(TRAINS)}{hint}")
    return TRAINS[method]


def train_round(
    run: RunSettings, entry: Round, section: Any, init: Path, patches: PatchFile, source_batch: int,
    runtime: Runtime, device: Device, folder: Path,
) -> SegmentationModel:  # fmt: skip
    """Return the round's network after its training, which is resumed from ``folder`` where it has begun.

    ``section`` is the method's section of params.yaml, ``init`` the folder of the run that the round begins with;
    ``source_batch`` labelled source images stand beside each batch.
    """
    model = initial_network(run, entry.method, section, init)
    fit(run, model, round_task(run, entry, section, patches, source_batch, folder), runtime, device, folder)
    return model


def initial_network(run: RunSettings, method: str, section: Any, init: Path) -> SegmentationModel:
    """Return the network that the round trains on: init's, or a new one where the method begins afresh."""
    if training_of(method).begins_fresh(section):
        return new_model(run.model, run.classes, run.seed)
    return load_model(init / "model.pt", "cpu")


def round_task(
    run: RunSettings, entry: Round, section: Any, patches: PatchFile, source_batch: int, folder: Path
) -> Task:
    """Return what the round's network learns; ``source_batch`` labelled source images stand beside each batch.

    ``folder`` keeps what took long to find out, for a resumed training.
    """
    method = training_of(entry.method)
    if method.teaches:
        return teacher_task(run, section, cast("TeacherRound", entry), patches, source_batch, folder)
    samples = patch_samples(patches, augment_of(run.training), method.aligned_corners(section))
    pseudo = run.stream("patches", samples, len(patches))
    steps = steps_of(run.training, len(patches))
    if method.aligns_hard_images:
        return intra_domain(run, section, pseudo, patches.path.with_name(HARD), steps)
    streams = [pseudo]
    if source_batch:
        source, portion = labelled_stream(run, source_batch), method.source_portion(entry)
        streams.append(source if portion is None else share_of(source, portion, run.seed))
    return Task(method.objective(section), streams, steps)
