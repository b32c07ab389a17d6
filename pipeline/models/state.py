"""The model file: weights, and the plain values from which the network is rebuilt."""

import os
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import torch

from pipeline.models.base import SegmentationModel
from pipeline.models.build import ModelSpec, construct_model
from pipeline.models.encoders import under_todays_names
from pipeline.models.model_file import FILE_FORMAT, FILE_VERSION, ModelFileError, read_model_file


def save_model(model: SegmentationModel, path: str | os.PathLike[str], *, spec: Mapping[str, Any]) -> None:
    """Write weights and spec to `path`, whole or not at all; equal models give equal bytes.

    Args:
        model: on any device; the file does not record it.
        path: its folder must exist.
        spec: plain values to keep beside those that `build_model` recorded in `model.spec` (architecture, classes,
            encoder, heads, aspp_branches, preprocessing); usually "class_names". Recorded values may be repeated, not
            contradicted; None leaves a value open.

    Raises:
        ValueError: `spec` contradicts the model, has values that are not plain, names another number of classes, or
            lacks what neither `build_model` nor the caller recorded.
    """
    content = {
        "format": FILE_FORMAT,
        "version": FILE_VERSION,
        "spec": _merged_spec(model, spec),
        "state": {key: value.detach().cpu() for key, value in model.state_dict().items()},
    }
    target = Path(path)
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        # Through an open file, because torch writes the name of a path into the archive and equal models would differ.
        with temporary.open("wb") as file:
            torch.save(content, file)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


def load_model(path: str | os.PathLike[str], device: str | torch.device) -> SegmentationModel:
    """Return the model of a file, on `device`, in evaluation mode; `model.spec` holds all that was saved with it.

    Only tensors and plain values are read (`weights_only`), so a file cannot run code. The normalisation mode is a
    matter of training and is not stored: call `set_normalisation` before training.

    Raises:
        ModelFileError: the file is missing, truncated, of another program, or of a newer version.
    """
    content = read_model_file(Path(path))
    try:
        spec: dict[str, Any] = content["spec"]
        model = construct_model(ModelSpec(**{field.name: spec[field.name] for field in fields(ModelSpec)}))
        # The model has no memory of its own yet: the tensors of the file become its weights, without a copy.
        state = under_todays_names(content["state"], list(model.state_dict()))
        model.load_state_dict(state, strict=True, assign=True)
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise ModelFileError(f"{path}: the stored spec and weights do not fit together ({error})") from error
    model.spec = dict(spec)
    return model.to(device).eval()


def _merged_spec(model: SegmentationModel, spec: Mapping[str, Any]) -> dict[str, Any]:
    needed = [field.name for field in fields(ModelSpec)]
    for key in needed:
        if key in model.spec and spec.get(key) not in (None, model.spec[key]):
            raise ValueError(f"spec says {key} is {spec[key]!r}, but the model has {model.spec[key]!r}")
    merged = {**spec, **model.spec, **{key: value for key, value in spec.items() if key not in needed}}
    missing = [key for key in needed if key not in merged]
    if missing:
        raise ValueError(f"the model was not built by build_model, and spec lacks {', '.join(missing)}")
    names = merged.get("class_names")
    if names is not None and len(names) != model.classes:
        raise ValueError(f"spec has {len(names)} class_names for a model of {model.classes} classes")
    _require_plain(merged, "spec")
    return merged


def _require_plain(value: Any, where: str) -> None:
    if isinstance(value, dict):
        for key, item in value.items():
            _require_plain(item, f"{where}[{key!r}]")
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            _require_plain(item, f"{where}[{index}]")
    elif not (value is None or type(value) in (str, int, float, bool)):
        raise ValueError(f"{where} is a {type(value).__name__}; a model file keeps plain values only")
