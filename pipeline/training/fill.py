"""Filling a network from a file of weights."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from torch import Tensor

from pipeline.models.base import SegmentationModel
from pipeline.models.build import MIT_NETWORKS, VIT_NETWORKS
from pipeline.models.model_file import ModelFileError

if TYPE_CHECKING:
    from pipeline.checkpoints.convert import Weights

DEEPLAB_MAIN_HEAD = {1: "layer5", 2: "layer6"}
"""By number of heads: the same classifier on the same 2048 channels, under two names."""


def fill(model: SegmentationModel, weights: Weights, path: Path) -> list[str]:
    """Fill a network's weights; return the first parts of the names that keep their fresh values.

    A head with another number of classes, or one that the file lacks, stays fresh.

    Raises:
        ModelFileError: the file is of another architecture; the message has the line for params.yaml.
    """
    # Imported here: training without weights does not depend on the kinds of checkpoints
    from pipeline.checkpoints.kinds import head_parts
    from pipeline.checkpoints.weights import params_line

    own, state = model.state_dict(), _under_the_models_names(model, weights)
    fitting = {key: value for key, value in state.items() if key in own and own[key].shape == value.shape}
    spec = weights.spec
    assert spec is not None
    heads = head_parts(model.spec["architecture"], model.spec["encoder"], model.spec["heads"])
    lacking = [key for key in own if key not in fitting and key.split(".")[0] not in heads]
    if lacking or not _same_network(weights, model):
        raise ModelFileError(f"{path}: is {weights.title}, and params.yaml has another network; {params_line(spec)}")
    model.load_state_dict(fitting, strict=False)
    return sorted({key.split(".")[0] for key in own if key not in fitting})


def _same_network(weights: Weights, model: SegmentationModel) -> bool:
    """Return whether the file is of the model's network; an encoder alone serves all architectures that have it."""
    spec = weights.spec
    assert spec is not None
    both = {spec.architecture, model.spec["architecture"]}
    shared = bool(weights.fresh) and (both <= MIT_NETWORKS.keys() or both <= set(VIT_NETWORKS))
    # behind the point timm has the name of weights, not of a network
    encoders = {name.partition(".")[0] for name in (spec.encoder, model.spec["encoder"])}
    return len(encoders) == 1 and (shared or len(both) == 1)


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
