"""IntraDA's third step: the easy images, with their pseudo-labels, play the source, and the hard ones the target.

Pan et al., CVPR 2020, Sec. 3.3: the alignment is AdvEnt's, on entropy maps; no labelled source takes part.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.patches.file import PatchFile
from pipeline.training.alignment.build import discriminator_generator, make_adversary
from pipeline.training.alignment.methods import Levels, advent
from pipeline.training.batches import Stream
from pipeline.training.loop import Adversary
from pipeline.training.objectives import Objective, PseudoLabelObjective
from pipeline.training.patch_samples import patch_samples
from pipeline.training.run import augment_of

if TYPE_CHECKING:
    from pipeline.params import Params


def intra_domain(
    params: Params, name: str, easy: Stream, hard_path: Path, classes: int
) -> tuple[Objective, list[Stream], Adversary | None]:
    """Objective, streams and discriminators of the step.

    Without hard images (λ = 1), or with weights of 0, it is plain self-training on the easy ones.
    """
    settings = params.intrada
    assert settings is not None  # params.py refuses a round without its method's section
    auxiliary = settings.lambda_auxiliary if params.model.heads == 2 else 0.0
    levels = Levels(settings.lambda_main, auxiliary)
    if not hard_path.exists() or not levels.named():
        return PseudoLabelObjective(), [easy], None
    hard = PatchFile(hard_path)
    samples = patch_samples(hard, augment_of(params.adapt), aligned_corners=False)
    alignment = advent(
        levels,
        classes,
        discriminator_generator(params.seed),
        network=settings.discriminators.network,
        labelled=easy.name,
        unlabelled="hard",
    )
    adversary = make_adversary(alignment, settings.discriminators, params.adapt.schedule)
    streams = [easy, Stream("hard", samples, len(hard), params.adapt.batch, params.seed, name)]
    return alignment.generator_terms, streams, adversary
