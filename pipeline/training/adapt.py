"""The stage adapt: the frame around the training of a round. What decides its result is in rounds.py and run.py."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.common.files import file_hash
from pipeline.common.labels import class_set
from pipeline.patches.file import PATCHES, PatchFile
from pipeline.training.rounds import train_round
from pipeline.training.run import RunSettings
from pipeline.training.stage import finish, training_folder

if TYPE_CHECKING:
    from pipeline.params import Params, Round


def adapt(params: Params, name: str, entry: Round, init: Path, destination: Path) -> None:
    """Train the round's initial network on its patches, and on the labelled source where its method does.

    If the initial model of its chain has learnt from a translation of the source, so does the round.
    """
    run = RunSettings(
        name,
        seed=params.seed,
        size=params.data.size,
        classes=class_set(params.classes),
        labelled=params.source_of(name),
        model=params.model,
        training=params.adapt,
    )
    section = getattr(params, entry.method)
    patches = destination / "patches" / PATCHES
    inputs = {
        "round": entry.model_dump(),
        "method": section.model_dump(),
        "init": file_hash(init / "model.pt"),
        "patches": [file_hash(path) for path in sorted(patches.parent.glob("*.h5"))],
    }
    with training_folder(f"adapt-{name}", run, params.runtime, **inputs) as (folder, device):
        model = train_round(
            run, entry, section, init, PatchFile(patches), params.adapt.source_batch, params.runtime, device, folder
        )
        finish(model, run.classes, folder, destination)
