"""What can be known to fail before any training: the data sets' folders, labels of the target, weights."""

from __future__ import annotations

from pathlib import Path

from pipeline.common.errors import ReadableError
from pipeline.common.labels import class_set
from pipeline.datasets.drawn import ids_of
from pipeline.datasets.entries import entries
from pipeline.datasets.hold_back import held_back, in_words
from pipeline.datasets.manifest import manifest_path
from pipeline.datasets.opening import require_classes
from pipeline.datasets.problems import DataError
from pipeline.params import AnySplit, Data, GeneratedSplit, Params
from pipeline.tracking.tracker import missing


def data_problems(params: Params) -> list[str]:
    """Return every problem with the data paths, the device and the weights, one line each, without opening an image."""
    from pipeline.common.device import select_device  # torch takes seconds to import

    problems = path_problems(params.data)
    if not any(problem.startswith("data.target: ") for problem in problems) and not _target_has_labels(params.data):
        problems += [
            f"initial_models.{initial}: needs labels of the target, and data.target has none"
            for initial, entry in params.initial_models.items()
            if entry.is_oracle
        ]
    try:
        select_device(params.runtime.device, params.runtime.precision)
    except ReadableError as error:
        problems.append(str(error))
    problem = missing(params.runtime.log_to)
    if problem is not None:
        problems.append(problem)
    return problems + _encoder_problems(params) + _weights_problems(params)


def path_problems(data: Data) -> list[str]:
    """Return every problem with the data paths, one line each, without opening an image."""
    problems = []
    for name, split in splits_of(data):
        if isinstance(split, GeneratedSplit):
            continue
        try:
            first = next(entries(split), None)
        except (DataError, OSError) as error:
            problems.append(f"data.{name}: {error}")
            continue
        if first is None:
            problems.append(f"data.{name}: {split.root}: no image matches")
        elif first.label is None and name != "target":
            problems.append(f"data.{name}: {first.image}: has no label, and labels are needed here")
    return problems


def splits_of(data: Data) -> list[tuple[str, AnySplit]]:
    """Return the three splits of params.yaml by name."""
    return [("source", data.source), ("target", data.target), ("evaluation", data.evaluation)]


def _target_has_labels(data: Data) -> bool:
    return isinstance(data.target, GeneratedSplit) or any(entry.label is not None for entry in entries(data.target))


def held_back_in_words(params: Params) -> str | None:
    """Return which images of the source `prepare` will hold back for the verdict; None where it will hold back none.

    None, too, where they are tiles: how many there are is in the files, and `prepare` says it.
    """
    source = params.data.source
    if source.tiling is not None:
        return None
    ids = ids_of(source) if isinstance(source, GeneratedSplit) else [entry.id for entry in entries(source)]
    positions = held_back(ids, params.data.hold_back, params.seed, frames=source.layout != "digits")
    return in_words([ids[position] for position in positions], len(ids)) if positions else None


def other_classes_in_words(params: Params) -> str | None:
    """Return that `prepare` ran for other classes than params.yaml names now; None where it did not, or never ran."""
    if not manifest_path("source").exists():
        return None
    try:
        require_classes("source", class_set(params.classes))
    except DataError as error:
        return f"{error}, which prepares and trains again"
    return None


def _encoder_problems(params: Params) -> list[str]:
    """Return an encoder that is not there, cannot compute on images of these sizes, or whose weights are missing."""
    model = params.model
    if model.architecture.startswith("vit-"):
        from pipeline.checkpoints.encoder_file import transformer_problem

        problem = transformer_problem(model.encoder)
        return [] if problem is None else [problem]
    if model.architecture != "small" or not (model.pretrained or model.encoder.startswith("timm/")):
        return []
    from pipeline.checkpoints.encoder_file import encoder_problem

    problem = encoder_problem(model.encoder, model.pretrained, params.data.size)
    return [] if problem is None else [f"model.{problem}"]


def _weights_problems(params: Params) -> list[str]:
    """Return checkpoints that cannot be read or do not hold a network of these classes; large files are mapped."""
    from pipeline.checkpoints.weights import require_class_names, weights_for  # torch takes seconds to import

    named = {"model.weights": params.model.weights}
    named |= {
        f"initial_models.{name}.weights": initial.weights
        for name, initial in params.initial_models.items()
        if initial.alignment == "none" and initial.weights is not None
    }
    problems = []
    for where, weights in named.items():
        try:
            if weights is not None:
                content, _ = weights_for(Path(weights))
                require_class_names(content, class_set(params.classes).names, Path(weights))
        except ReadableError as error:
            problems.append(f"{where}: {error}")
    return problems
