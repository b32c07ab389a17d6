"""IntraDA's third step: easy images with pseudo-labels serve as source, hard ones as target.

Pan et al., CVPR 2020, Sec. 3.3: the alignment is AdvEnt's, on entropy maps; no labelled source takes part.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.patches.file import PatchFile
from pipeline.training.alignment.build import discriminator_generator, make_adversary
from pipeline.training.alignment.methods import Levels, advent
from pipeline.training.batches import Stream
from pipeline.training.objectives import PseudoLabelObjective
from pipeline.training.patch_samples import patch_samples
from pipeline.training.run import RunSettings, Task, augment_of

if TYPE_CHECKING:
    from pipeline.params import Intrada


def intra_domain(run: RunSettings, settings: Intrada, easy: Stream, hard_path: Path, steps: int) -> Task:
    """Return the step as a task: the stream of easy images, and the alignment of the hard ones to them.

    Without hard images (λ = 1), or with weights of 0, it is plain self-training on the easy ones.
    """
    auxiliary = settings.lambda_auxiliary if run.model.heads == 2 else 0.0
    levels = Levels(settings.lambda_main, auxiliary)
    if not hard_path.exists() or not levels.named():
        return Task(PseudoLabelObjective(), [easy], steps)
    hard = PatchFile(hard_path)
    samples = patch_samples(hard, augment_of(run.training), aligned_corners=False)
    alignment = advent(
        levels,
        len(run.classes),
        discriminator_generator(run.seed),
        network=settings.discriminators.network,
        labelled=easy.name,
        unlabelled="hard",
    )
    adversary = make_adversary(alignment, settings.discriminators, run.training.schedule)
    streams = [easy, run.stream("hard", samples, len(hard))]
    return Task(alignment.generator_terms, streams, steps, adversary)
