"""The stage adapt: the frame around the training of a round. What decides its result is in rounds.py and run.py."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.common.errors import ReadableError
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

    If the initial model of its chain has learnt from a translation of the source, so does the round. The result is
    ``trained.pt``: ``model.pt``, with which others begin, is written by the stage health.
    """
    training = params.adapt_of(name)
    run = RunSettings(
        name,
        seed=params.seed,
        size=params.data.size,
        classes=class_set(params.classes),
        labelled=params.source_of(name),
        model=params.model,
        training=training,
    )
    section = params.section_of(entry)
    patches = destination / "patches" / PATCHES
    inputs = {
        # its changes are in the settings of the run: however they are written, equal settings are the same training;
        # the guard decides after the training
        "round": entry.model_dump(exclude={"adapt", "guard"}),
        "method": section.model_dump(),
        "init": file_hash(init / "model.pt"),
        "patches": [file_hash(path) for path in sorted(patches.parent.glob("*.h5"))],
    }
    with training_folder(f"adapt-{name}", run, params.runtime, **inputs) as (folder, device):
        model = train_round(
            run,
            entry,
            section,
            init,
            open_patches(patches, entry, name),
            training.source_batch,
            params.runtime,
            device,
            folder,
        )
        finish(model, run.classes, folder, destination, "trained.pt")


def open_patches(path: Path, entry: Round, name: str) -> PatchFile:
    """Open the patches of the round ``name``.

    Raises:
        ReadableError: there are none; the message says what makes the round's method select more.
    """
    # Imported here: an edit of a method's selection trains nothing whose patches stay the same
    from pipeline.methods.registry import method_named

    patches, method = PatchFile(path), method_named(entry.method)
    if not len(patches) and not method.teaches:
        advice = method.when_empty.format(round=name)
        raise ReadableError(f"{path}: holds no patch: the selection is empty; {advice}")
    return patches
