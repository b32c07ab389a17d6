"""What a network learns before the first round: labelled images, aligned with the target's images or not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.training.alignment.build import adversary_of, alignment_of
from pipeline.training.objectives import supervised
from pipeline.training.run import RunSettings, Task, labelled_stream, unlabelled_stream

if TYPE_CHECKING:
    from pipeline.params import AnySplit, AnyStart


def initial_model_task(run: RunSettings, start: AnyStart, target: AnySplit) -> Task:
    """Return what the network of ``start`` learns; the target's images are opened only if it aligns to them."""
    source = labelled_stream(run, run.training.batch)
    steps = run.training.budget(source.length)
    alignment = alignment_of(start, len(run.classes), run.model.heads, run.seed)
    if alignment is None:
        return Task(supervised, [source], steps)
    streams = [source, unlabelled_stream(run, target)]
    return Task(alignment.generator_terms, streams, steps, adversary_of(alignment, start, run.training.schedule))
