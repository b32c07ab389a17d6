"""Training a round: its initial network, on patches with pseudo-labels and on the labelled source."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.datasets.prepare import manifest_path
from pipeline.device import choose_computer
from pipeline.errors import ReadableError
from pipeline.files import file_hash
from pipeline.labels import class_set
from pipeline.models.state import load_model
from pipeline.patches.file import PatchFile
from pipeline.training.batches import Stream
from pipeline.training.objectives import LseObjective
from pipeline.training.patch_samples import patch_samples
from pipeline.training.run import augment_of, common_inputs, finish, labelled_stream, run_loop
from pipeline.work import working_folder

if TYPE_CHECKING:
    from pipeline.params import LseRound, Params


def adapt(params: Params, name: str, entry: LseRound, init: Path, destination: Path) -> None:
    """Trains the round's initial network on its patches and on the labelled source."""
    patches_path = destination / "patches" / "patches.h5"
    computer = choose_computer(params.runtime.device, params.runtime.precision)
    inputs = {
        "round": {"method": entry.method},
        "method": params.lse.model_dump(),
        "training": params.adapt.model_dump(),
        "normalisation": params.model.normalisation,
        "init": file_hash(init / "model.pt"),
        "patches": file_hash(patches_path),
        "source": file_hash(manifest_path("source")),
        "split": params.data.source.model_dump(),
        **common_inputs(params, computer),
    }
    with working_folder(f"adapt-{name}", **inputs) as folder:
        classes = class_set(params.classes)
        model = load_model(init / "model.pt", "cpu")
        patches = PatchFile(patches_path)
        if not len(patches):
            raise ReadableError(f"{patches_path}: holds no patch: the selection is empty; raise rounds.{name}.portion")
        augment, aligned = augment_of(params.adapt), params.lse.compat == "author"
        streams = [
            Stream(
                "patches", patch_samples(patches, augment, aligned), len(patches), params.adapt.batch, params.seed, name
            )
        ]
        if params.adapt.source_batch:
            streams.append(labelled_stream(params, name, "source", classes, params.adapt, params.adapt.source_batch)[0])
        objective = LseObjective(params.lse.focal_beta, params.lse.focal_gamma, params.lse.focal_of)
        run_loop(
            params, name, model, objective, streams, params.adapt, params.adapt.budget(len(patches)), computer, folder
        )
        finish(model, classes, folder, destination)
