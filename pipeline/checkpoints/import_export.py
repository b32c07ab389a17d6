"""Checkpoints in and out as files: theirs to a model file of ours, ours to the authors' names, either to safetensors.

Shape legend: none; tensors are passed on as they are.
"""

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
from pipeline.models.state import FILE_FORMAT, FILE_VERSION, ModelFileError, save_model

SUFFIXES = (".pth", ".pt", ".safetensors", ".params")


def import_checkpoint(
    path: Path,
    out: Path,
    names_of: Callable[[int], list[str]],
    *,
    aspp_branches: int | None = None,
    preprocessing: str | None = None,
    classes: int | None = None,
) -> Weights:
    """Writes what a foreign file holds as a model file of ours; answers what it was.

    A discriminator becomes a plain file of its weights under the names of ADVENT.

    Args:
        path: any file that `read_weights` reads.
        out: the model file; `load_model` reads it, and `model.weights` of params.yaml.
        names_of: from a number of classes to their names; raises ReadableError where there are none.
        aspp_branches, preprocessing: instead of what was found out.
        classes: of the fresh head of an encoder.

    Raises:
        ModelFileError: the file cannot be read or is of no known kind, or says otherwise than the arguments.
    """
    found = read_weights(path)
    if found.spec is None:
        with whole_file(out) as temporary, temporary.open("wb") as file:
            torch.save(found.state, file)
        return found
    found = _as_told(path, found, aspp_branches, preprocessing, classes)
    names = found.kept.get("class_names") or names_of(found.channels)
    out.parent.mkdir(parents=True, exist_ok=True)
    save_model(model_of(found), out, spec={**found.kept, "class_names": names})
    return found


def _as_told(
    path: Path, found: Weights, aspp_branches: int | None, preprocessing: str | None, classes: int | None
) -> Weights:
    spec = found.spec
    assert spec is not None
    told = []
    if preprocessing is not None:
        if preprocessing not in PREPROCESSINGS:
            raise ModelFileError(f"preprocessing is {preprocessing!r}; choose one of {', '.join(PREPROCESSINGS)}")
        spec = replace(spec, preprocessing=preprocessing)
        told.append(f"preprocessing {preprocessing}")
    if aspp_branches is not None:
        if spec.architecture != "deeplabv2-resnet101":
            raise ModelFileError(f"{path}: is {found.title}; it has no ASPP branches")
        spec = replace(spec, aspp_branches=aspp_branches)
        told.append(f"{aspp_branches} ASPP branches")
    if classes is not None and classes != spec.classes:
        if not found.fresh:
            raise ModelFileError(f"{path}: has {spec.classes} classes, not {classes}")
        spec = replace(spec, classes=classes)
        told.append(f"a head of {classes} classes")
    said = [*found.said, f"but as you say: {', '.join(told)}"] if told else found.said
    return found._replace(spec=spec, channels=spec.classes, said=said)


def model_of(found: Weights) -> SegmentationModel:
    """The network of a file's weights, in evaluation mode; a head that the file lacks is drawn from seed 0.

    Raises:
        ModelFileError: the file holds a discriminator.
    """
    if found.spec is None:
        raise ModelFileError(f"holds {found.title}, not a network that segments")
    if not found.fresh:
        model = construct_model(found.spec)
        # Copies: the file may be mapped, and weights that lie askew in memory are convolved in another order.
        state = {key: value.clone(memory_format=torch.contiguous_format) for key, value in found.state.items()}
        model.load_state_dict(state, strict=True, assign=True)
    else:
        model = build_model(**asdict(found.spec))
        model.load_state_dict(found.state, strict=False)
    model.spec |= found.kept
    return model.eval()


def open_model(path: Path) -> SegmentationModel:
    """The network in any file that can segment: a model file of ours or a foreign checkpoint; on the CPU, to evaluate.

    Raises:
        ModelFileError: the file cannot be read, is of no known kind, or holds an encoder or a discriminator only.
    """
    found = read_weights(path)
    if found.spec is None or found.fresh:
        raise ModelFileError(f"{path}: is {found.title}: there is no head in it, it cannot segment")
    return model_of(found)


def export_checkpoint(path: Path, out: Path, wanted: str | None = None) -> str:
    """Writes a model file, or a discriminator's, under the authors' names; answers the kind that was written.

    The suffix of ``out`` decides the format: ``.safetensors``, ``.params`` (MXNet), else torch's.

    Raises:
        ModelFileError: there are no authors' names for such a network, or ``wanted`` is a kind that it is not.
    """
    _check_suffix(out)
    found = read_weights(path)
    if found.spec is None:
        kind = KINDS.get(wanted or "discriminator")
        if kind is None or kind.spec is not None:
            raise ModelFileError(f"{path}: is {found.title}; it cannot be written as {wanted}")
        tensors = {slot.theirs: found.state[slot.ours] for slot in kind.slots(found.channels)}
    else:
        model = model_of(found)
        kind, tensors = to_authors(found.spec, model.state_dict(), found.kept)
        if wanted is not None and wanted != kind.name:
            raise ModelFileError(f"{path}: is {found.title}; it can be written as {kind.name}, not as {wanted}")
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
    """Writes a network in our names; its spec stands in the metadata, so that `read_weights` rebuilds it."""
    metadata: dict[str, Any] = {"format": FILE_FORMAT, "version": str(FILE_VERSION), "spec": json.dumps(model.spec)}
    plain = {key: value.detach().cpu().contiguous() for key, value in model.state_dict().items()}
    with whole_file(out) as temporary:
        temporary.write_bytes(save(plain, metadata))
