"""Training a round: its initial network, on patches with pseudo-labels and on the labelled source."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.datasets.prepare import manifest_path
from pipeline.device import choose_computer
from pipeline.errors import ReadableError
from pipeline.files import file_hash
from pipeline.labels import ClassSet, class_set
from pipeline.models.state import load_model
from pipeline.patches.file import PatchFile
from pipeline.training.batches import Stream, share_of
from pipeline.training.objectives import PseudoLabelObjective
from pipeline.training.patch_samples import patch_samples
from pipeline.training.run import augment_of, common_inputs, finish, labelled_stream, run_loop
from pipeline.work import working_folder

if TYPE_CHECKING:
    from pipeline.params import Cada, Cbst, Lse, Params, Round


def adapt(params: Params, name: str, entry: Round, init: Path, destination: Path) -> None:
    """Trains the round's initial network on its patches and on the labelled source."""
    patches_path = destination / "patches" / "patches.h5"
    computer = choose_computer(params.runtime.device, params.runtime.precision)
    inputs = {
        "round": entry.model_dump(),
        "method": _section(params, entry).model_dump(),
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
        streams = _streams(params, name, entry, patches, classes)
        steps = params.adapt.budget(len(patches))
        run_loop(params, name, model, _objective(params, entry), streams, params.adapt, steps, computer, folder)
        finish(model, classes, folder, destination)


def _streams(params: Params, name: str, entry: Round, patches: PatchFile, classes: ClassSet) -> list[Stream]:
    training = params.adapt
    aligned = _section(params, entry).compat == "author"
    samples = patch_samples(patches, augment_of(training), aligned)
    streams = [Stream("patches", samples, len(patches), training.batch, params.seed, name)]
    if training.source_batch:
        source = labelled_stream(params, name, "source", classes, training, training.source_batch)[0]
        streams.append(share_of(source, entry.source_portion, params.seed) if entry.method == "cbst" else source)
    return streams


def _objective(params: Params, entry: Round) -> PseudoLabelObjective:
    if entry.method == "lse":
        assert params.lse is not None
        return PseudoLabelObjective(params.lse.focal_beta, params.lse.focal_gamma, params.lse.focal_of)
    return PseudoLabelObjective(over_all_pixels=entry.method == "cada")


def _section(params: Params, entry: Round) -> Lse | Cbst | Cada:
    section: Lse | Cbst | Cada | None = getattr(params, entry.method)
    assert section is not None  # params.py refuses a round without its method's section
    return section
