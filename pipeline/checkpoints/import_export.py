"""Checkpoints in and out: theirs to a model file of ours, ours to the authors' names, either to safetensors."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save
from torch import Tensor

from pipeline.checkpoints.convert import Weights, read_weights, to_authors
from pipeline.checkpoints.kinds import KINDS
from pipeline.checkpoints.mxnet_params import write_mxnet
from pipeline.common.files import whole_file
from pipeline.models.base import PREPROCESSINGS, SegmentationModel
from pipeline.models.build import build_model, construct_model
from pipeline.models.model_file import FILE_FORMAT, FILE_VERSION, ModelFileError
from pipeline.models.state import save_model

SUFFIXES = (".pth", ".pt", ".safetensors", ".params")


def import_checkpoint(
    path: Path,
    out: Path,
    names_of: Callable[[int], list[str]],
    *,
    aspp_branches: int | None = None,
    preprocessing: str | None = None,
    classes: int | None = None,
    prefix: str | None = None,
) -> Weights:
    """Write the weights of a foreign file as a model file of ours, and return them.

    A discriminator becomes a plain file of its weights under the names of ADVENT.

    Args:
        path: any file that `read_weights` reads.
        out: the model file; `load_model` reads it, and `model.weights` of params.yaml.
        names_of: from a number of classes to their names; raises ReadableError where there are none.
        aspp_branches: overrides the number that was detected.
        preprocessing: overrides what was detected.
        classes: of the fresh head of an encoder.
        prefix: chooses one of several networks in the file.

    Raises:
        ModelFileError: the file cannot be read or is of no known kind, or says otherwise than the arguments.
    """
    weights = read_weights(path, prefix)
    if weights.spec is None:
        with whole_file(out) as temporary, temporary.open("wb") as file:
            torch.save(weights.state, file)
        return weights
    weights = _override(path, weights, aspp_branches, preprocessing, classes)
    names = weights.kept.get("class_names") or names_of(weights.channels)
    out.parent.mkdir(parents=True, exist_ok=True)
    save_model(model_of(weights), out, spec={**weights.kept, "class_names": names})
    return weights


def _override(
    path: Path, weights: Weights, aspp_branches: int | None, preprocessing: str | None, classes: int | None
) -> Weights:
    spec = weights.spec
    assert spec is not None
    overrides = []
    if preprocessing is not None:
        if preprocessing not in PREPROCESSINGS:
            raise ModelFileError(f"preprocessing is {preprocessing!r}; choose one of {', '.join(PREPROCESSINGS)}")
        spec = replace(spec, preprocessing=preprocessing)
        overrides.append(f"preprocessing {preprocessing}")
    if aspp_branches is not None:
        if spec.architecture != "deeplabv2-resnet101":
            raise ModelFileError(f"{path}: is {weights.title}; it has no ASPP branches")
        spec = replace(spec, aspp_branches=aspp_branches)
        overrides.append(f"{aspp_branches} ASPP branches")
    if classes is not None and classes != spec.classes:
        if not weights.fresh:
            raise ModelFileError(f"{path}: has {spec.classes} classes, not {classes}")
        spec = replace(spec, classes=classes)
        overrides.append(f"a head of {classes} classes")
    findings = [*weights.findings, f"but as you say: {', '.join(overrides)}"] if overrides else weights.findings
    return weights._replace(spec=spec, channels=spec.classes, findings=findings)


def model_of(weights: Weights) -> SegmentationModel:
    """Return the network of a file's weights, in evaluation mode; a head that the file lacks is drawn from seed 0.

    Raises:
        ModelFileError: the file holds a discriminator.
    """
    if weights.spec is None:
        raise ModelFileError(f"holds {weights.title}, not a network that segments")
    if not weights.fresh:
        model = construct_model(weights.spec)
        # Copies: the file may be mapped, and weights that lie askew in memory are convolved in another order.
        state = {key: value.clone(memory_format=torch.contiguous_format) for key, value in weights.state.items()}
        model.load_state_dict(state, strict=True, assign=True)
    else:
        model = build_model(**asdict(weights.spec))
        model.load_state_dict(weights.state, strict=False)
    model.spec |= weights.kept
    return model.eval()


def open_model(path: Path) -> SegmentationModel:
    """Return the network of a model file or of a foreign checkpoint, on the CPU, in evaluation mode.

    Raises:
        ModelFileError: the file cannot be read, is of no known kind, or holds an encoder or a discriminator only.
    """
    weights = read_weights(path)
    if weights.spec is None or weights.fresh:
        raise ModelFileError(f"{path}: is {weights.title}: it has no head and cannot segment")
    return model_of(weights)


def export_checkpoint(path: Path, out: Path, kind_name: str | None = None) -> str:
    """Write a model file, or a discriminator's, under the authors' names; return the name of its kind.

    The suffix of ``out`` decides the format: ``.safetensors``, ``.params`` (MXNet), else torch's.

    Raises:
        ModelFileError: there are no authors' names for such a network, or ``kind_name`` is a kind that it is not.
    """
    _check_suffix(out)
    weights = read_weights(path)
    if weights.spec is None:
        kind = KINDS.get(kind_name or "discriminator")
        if kind is None or kind.spec is not None:
            raise ModelFileError(f"{path}: is {weights.title}; it cannot be written as {kind_name}")
        tensors = {slot.theirs: weights.state[slot.ours] for slot in kind.slots(weights.channels)}
    else:
        model = model_of(weights)
        kind, tensors = to_authors(weights.spec, model.state_dict(), weights.kept)
        if kind_name is not None and kind_name != kind.name:
            raise ModelFileError(f"{path}: is {weights.title}; it can be written as {kind.name}, not as {kind_name}")
    if (out.suffix == ".params") != kind.name.startswith("resnet38"):
        raise ModelFileError(f"{out}: a {kind.name} is written as {'.params' if out.suffix != '.params' else '.pth'}")
    _write(out, tensors)
    return kind.name


def _check_suffix(out: Path) -> None:
    if out.suffix not in SUFFIXES:
        raise ModelFileError(f"{out}: the suffix decides the format; choose one of {', '.join(SUFFIXES)}")


def _write(out: Path, tensors: Mapping[str, Tensor]) -> None:
    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    if out.suffix == ".params":
        write_mxnet(out, plain)
        return
    with whole_file(out) as temporary:
        if out.suffix == ".safetensors":
            temporary.write_bytes(save(plain))
        else:
            with temporary.open("wb") as file:
                torch.save(plain, file)


def save_safetensors(model: SegmentationModel, out: Path) -> None:
    """Write a network in our names, with its spec in the metadata, by which `read_weights` rebuilds it."""
    metadata: dict[str, Any] = {"format": FILE_FORMAT, "version": str(FILE_VERSION), "spec": json.dumps(model.spec)}
    plain = {key: value.detach().cpu().contiguous() for key, value in model.state_dict().items()}
    with whole_file(out) as temporary:
        temporary.write_bytes(save(plain, metadata))
