"""A teacher's round as a task: its streams of source, target and patches, and its objective."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.models.base import SegmentationModel
from pipeline.patches.file import PatchFile
from pipeline.patches.target_statistics import TARGET, read_target_statistics
from pipeline.training.ema import Ema
from pipeline.training.new_model import new_model
from pipeline.training.patch_samples import patch_samples
from pipeline.training.photometric import photometric_of
from pipeline.training.run import RunSettings, Task, augment_of, steps_of
from pipeline.training.teacher.class_streams import source_stream, target_stream
from pipeline.training.teacher.objective import Changes, Reference, TeacherObjective
from pipeline.training.teacher.released_ema import ReleasedEma

if TYPE_CHECKING:
    from pipeline.methods.teacher import Teacher, TeacherRound

# Of blur and noise on mixed images, times their chances: the teacher's labels of thin things are worth seeing.
_LESS_BLUR_AND_NOISE = 0.6


def teacher_task(
    run: RunSettings, section: Teacher, entry: TeacherRound, patches: PatchFile, source_batch: int, folder: Path
) -> Task:
    """Return the round's task. The network sees photometric changes after mixing, its teacher none.

    ``folder`` keeps the counts of the source's labels, where its images are drawn by class.

    Raises:
        ReadableError: images are to be drawn by class, and none holds enough of any.
    """
    statistics = read_target_statistics(patches.path.with_name(TARGET))
    geometric = augment_of(run.training)._replace(photometric=None)
    target = target_stream(run, section, geometric, statistics)
    streams = [source_stream(run, section, source_batch, geometric, folder), target]
    if len(patches):
        samples = patch_samples(patches, augment_of(run.training), aligned_corners=False)
        streams.append(run.stream("patches", samples, len(patches)))
    steps = steps_of(run.training, target.length)
    objective = TeacherObjective(
        section,
        entry,
        statistics.confidence_count_CB,
        _changes(run, section),
        seed=run.seed,
        run=run.name,
        batch=run.training.batch,
        steps=steps,
        reference=_reference(run, section),
    )
    ema: type[Ema[SegmentationModel]] = ReleasedEma if section.compat == "author" else Ema
    return Task(objective, streams, steps, state=objective, taught_by=objective.taught_by, ema=ema)


def _changes(run: RunSettings, section: Teacher) -> Changes:
    changes = run.training.augmentation
    if section.photometric_on == "mixed":
        return Changes(None, photometric_of(changes))
    return Changes(photometric_of(changes), photometric_of(changes, noise_and_blur=_LESS_BLUR_AND_NOISE))


def _reference(run: RunSettings, section: Teacher) -> Reference | None:
    """Return the network with ImageNet's weights, where a feature distance is asked for.

    A network that has none of its own (``pretrained``) gets them from the checkpoint with which training began.
    """
    if section.feature_distance is None:
        return None
    things = [run.classes.names.index(name) for name in section.feature_distance.classes if name in run.classes.names]
    weights = None if run.model.pretrained else run.model.weights
    network = new_model(run.model.model_copy(update={"weights": weights}), run.classes, run.seed)
    return Reference(network.requires_grad_(False), things)
