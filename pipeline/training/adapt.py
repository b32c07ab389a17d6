"""Training a round: its initial network, on patches with pseudo-labels and whatever else its method looks at."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.common.device import select_device
from pipeline.common.errors import ReadableError
from pipeline.common.files import file_hash
from pipeline.common.labels import ClassSet, class_set
from pipeline.models.state import load_model
from pipeline.patches.file import HARD, PATCHES, PatchFile
from pipeline.training.batches import Stream, share_of
from pipeline.training.distributed import common_folder, joined
from pipeline.training.intra_domain import intra_domain
from pipeline.training.loop import Adversary
from pipeline.training.objectives import Objective, PseudoLabelObjective
from pipeline.training.patch_samples import patch_samples
from pipeline.training.pretrain import new_model
from pipeline.training.run import augment_of, common_inputs, finish, labelled_stream, run_loop
from pipeline.translation.source import identity_of

if TYPE_CHECKING:
    from pipeline.params import Cada, Cbst, Intrada, Lse, Params, Round


def adapt(params: Params, name: str, entry: Round, init: Path, destination: Path) -> None:
    """Trains the round's initial network on its patches and on the labelled source.

    Where the start of its chain has learnt from a translation of the source, so does the round.
    """
    patches_path = destination / "patches" / PATCHES
    computer = select_device(params.runtime.device, params.runtime.precision)
    inputs = {
        "round": entry.model_dump(),
        "method": _section(params, entry).model_dump(),
        "training": params.adapt.model_dump(),
        "normalisation": params.model.normalisation,
        "init": file_hash(init / "model.pt"),
        "patches": [file_hash(path) for path in sorted(patches_path.parent.glob("*.h5"))],
        "model": params.model.model_dump(),
        **identity_of(params.source_of(name)),
        **common_inputs(params, computer),
    }
    with joined(computer), common_folder(f"adapt-{name}", **inputs) as folder:
        classes = class_set(params.classes)
        fresh = entry.method == "intrada" and params.intrada is not None and params.intrada.begin == "fresh"
        model = new_model(params, classes) if fresh else load_model(init / "model.pt", "cpu")
        patches = PatchFile(patches_path)
        if not len(patches):
            raise ReadableError(f"{patches_path}: holds no patch: the selection is empty; {_more(name, entry)}")
        objective, streams, adversary = _training_of(params, name, entry, patches, classes)
        steps = params.adapt.budget(len(patches))
        run_loop(params, name, model, objective, streams, params.adapt, steps, computer, folder, adversary)
        finish(model, classes, folder, destination)


def _more(name: str, entry: Round) -> str:
    """What makes the method select more."""
    if entry.method == "cada":
        return "lower cada.delta, or choose another cada.centroid"
    return f"raise rounds.{name}.{'easy' if entry.method == 'intrada' else 'portion'}"


def _training_of(
    params: Params, name: str, entry: Round, patches: PatchFile, classes: ClassSet
) -> tuple[Objective, list[Stream], Adversary | None]:
    """The round's objective, what it reads, and discriminators where it has any."""
    aligned = _section(params, entry).compat == "author" and entry.method == "lse"
    samples = patch_samples(patches, augment_of(params.adapt), aligned)
    pseudo = Stream("patches", samples, len(patches), params.adapt.batch, params.seed, name)
    if entry.method == "intrada":
        return intra_domain(params, name, pseudo, patches.path.with_name(HARD), len(classes))
    return _objective(params, entry), [pseudo, *_source(params, name, entry, classes)], None


def _source(params: Params, name: str, entry: Round, classes: ClassSet) -> list[Stream]:
    training = params.adapt
    if not training.source_batch:
        return []
    source = labelled_stream(params, name, params.source_of(name), classes, training, training.source_batch)[0]
    return [share_of(source, entry.source_portion, params.seed) if entry.method == "cbst" else source]


def _objective(params: Params, entry: Round) -> PseudoLabelObjective:
    if entry.method == "lse":
        assert params.lse is not None
        return PseudoLabelObjective(params.lse.focal_beta, params.lse.focal_gamma, params.lse.focal_of)
    return PseudoLabelObjective(over_all_pixels=entry.method == "cada")


def _section(params: Params, entry: Round) -> Lse | Cbst | Cada | Intrada:
    section: Lse | Cbst | Cada | Intrada | None = getattr(params, entry.method)
    assert section is not None  # params.py refuses a round without its method's section
    return section
