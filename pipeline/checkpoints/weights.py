"""Weights in a file, ours or the authors', on the way into training: training/fill.py puts them into a network."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from pipeline.checkpoints.convert import Weights, read_weights
from pipeline.models.build import ModelSpec
from pipeline.models.model_file import ModelFileError


def weights_for(path: Path) -> tuple[Weights, ModelSpec]:
    """Return the weights of a file and the network that they fit.

    Raises:
        ModelFileError: the network is not one that segments.
    """
    weights = read_weights(path)
    if weights.spec is None:
        raise ModelFileError(f"{path}: is {weights.title}, not a network that segments")
    return weights, weights.spec


def require_class_names(weights: Weights, names: Sequence[str], path: Path) -> None:
    """Refuse a head with the right number of classes that are others, or the same in another order.

    A file without names, or with numbers for names (``class 0``), is believed.

    Raises:
        ModelFileError: names the first class that differs.
    """
    known = weights.kept.get("class_names") or ()
    if weights.fresh or len(known) != len(names) or all(re.fullmatch(r"class \d+", name) for name in known):
        return
    for number, (theirs, ours) in enumerate(zip(known, names, strict=True)):
        if theirs != ours:
            raise ModelFileError(
                f"{path}: has other classes than params.yaml: class {number} is {theirs!r} there and {ours!r} here; "
                "say `classes` as the file has them; if it names them wrongly, import it again with --class-set, or "
                "name the file that it was imported from"
            )


def params_line(spec: ModelSpec) -> str:
    """Return what to write into params.yaml for a file's network."""
    encoder = f", encoder: {spec.encoder}" if spec.has_encoder else ""
    heads = f", heads: {spec.heads}" if spec.heads != 1 else ""
    return f"say `model: {{architecture: {spec.architecture}{encoder}{heads}, weights: …}}`"
