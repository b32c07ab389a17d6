"""Filling a network from a file of weights, ours or the authors', on the way into training."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from torch import Tensor

from pipeline.checkpoints.convert import Weights, read_weights
from pipeline.checkpoints.kinds import head_parts
from pipeline.models.base import SegmentationModel
from pipeline.models.build import ModelSpec
from pipeline.models.state import ModelFileError

DEEPLAB_MAIN_HEAD = {1: "layer5", 2: "layer6"}
"""By number of heads: the same classifier on the same 2048 channels, under two names."""


def weights_for(path: Path) -> tuple[Weights, ModelSpec]:
    """Return the weights of a file and the network that they fit.

    Raises:
        ModelFileError: the network is not one that segments.
    """
    weights = read_weights(path)
    if weights.spec is None:
        raise ModelFileError(f"{path}: is {weights.title}, not a network that segments")
    return weights, weights.spec


def fill(model: SegmentationModel, weights: Weights, path: Path) -> list[str]:
    """Fill a network's weights; return the first parts of the names that keep their fresh values.

    A head with another number of classes, or one that the file lacks, stays fresh.

    Raises:
        ModelFileError: the file is of another architecture; the message has the line for params.yaml.
    """
    own, state = model.state_dict(), _under_the_models_names(model, weights)
    fitting = {key: value for key, value in state.items() if key in own and own[key].shape == value.shape}
    spec = weights.spec
    assert spec is not None
    heads = head_parts(model.spec["architecture"], model.spec["encoder"], model.spec["heads"])
    lacking = [key for key in own if key not in fitting and key.split(".")[0] not in heads]
    if lacking or (spec.architecture, spec.encoder) != (model.spec["architecture"], model.spec["encoder"]):
        raise ModelFileError(f"{path}: is {weights.title}, and params.yaml has another network; {params_line(spec)}")
    model.load_state_dict(fitting, strict=False)
    return sorted({key.split(".")[0] for key in own if key not in fitting})


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
    encoder = f", encoder: {spec.encoder}" if spec.architecture == "small" else ""
    heads = f", heads: {spec.heads}" if spec.heads != 1 else ""
    return f"say `model: {{architecture: {spec.architecture}{encoder}{heads}, weights: …}}`"


def _under_the_models_names(model: SegmentationModel, weights: Weights) -> dict[str, Tensor]:
    """Return the file's tensors, with DeepLab's main head under the name that it has in the model."""
    assert weights.spec is not None
    theirs, ours = (DEEPLAB_MAIN_HEAD[heads] for heads in (weights.spec.heads, model.spec["heads"]))
    if weights.spec.architecture != "deeplabv2-resnet101" or theirs == ours:
        return weights.state
    return {
        f"{ours}.{key.partition('.')[2]}" if key.startswith(f"{theirs}.") else key: value
        for key, value in weights.state.items()
        if not key.startswith(f"{ours}.")
    }
