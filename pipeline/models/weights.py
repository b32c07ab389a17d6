"""Reading a released checkpoint whose keys are the authors' (DeepLab-v2, FCN8s): a plain state dict of tensors."""

from __future__ import annotations

import pickle
from pathlib import Path

import torch

from pipeline.models.base import SegmentationModel
from pipeline.models.state import ModelFileError


def load_weights(model: SegmentationModel, path: Path) -> None:
    """Fills a network's weights from a state dict.

    Parameters of a head with another number of classes keep their fresh values (not of FCN8s, whose deconvolutions are
    shaped by it too: refused); any other key that is missing, left
    over or of another shape is an error. Raises ModelFileError that names the file and the keys.
    """
    if not path.is_file():
        raise ModelFileError(f"{path}: there is no such file (params.yaml: model.weights)")
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError) as error:
        raise ModelFileError(f"{path}: is no plain file of weights ({error})") from None
    own = model.state_dict()
    missing = [key for key in own if key not in state and not key.endswith("num_batches_tracked")]
    left_over = [key for key in state if key not in own]
    other_shape = [key for key in own if key in state and own[key].shape != state[key].shape]
    wrong_shape = [key for key in other_shape if key.split(".")[0] not in model.HEAD_PARTS]
    problems = {"missing": missing, "left over": left_over, "of another shape": wrong_shape}
    if any(problems.values()):
        told = "; ".join(f"{len(keys)} {what}: {', '.join(keys[:3])}" for what, keys in problems.items() if keys)
        raise ModelFileError(f"{path}: does not fit {type(model).__name__} ({told})")
    if other_shape:
        print(f"{path}: another number of classes; these start afresh: {', '.join(other_shape)}")
    model.load_state_dict({key: value for key, value in state.items() if key not in other_shape}, strict=False)
