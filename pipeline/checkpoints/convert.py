"""Weights from a file into our names, and back into the authors'."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from pipeline.checkpoints.choose import Network, choose_network
from pipeline.checkpoints.detect import ASPP_BRANCHES, aspp_branches, reads_bytes
from pipeline.checkpoints.kinds import Kind, head_parts, kind_of_model, own_shapes
from pipeline.checkpoints.naming import COUNTER
from pipeline.checkpoints.reading import CheckpointFile, read_checkpoint_file
from pipeline.checkpoints.recognise import Recognised
from pipeline.common.errors import counted
from pipeline.models.build import ModelSpec
from pipeline.models.encoders import under_todays_names
from pipeline.models.model_file import FILE_FORMAT, FILE_VERSION, ModelFileError

SHOWN = 4


class Weights(NamedTuple):
    """Contents of a file of weights, in our names.

    Attributes:
        kind: the name of its kind; ``roundabout`` where this program wrote it.
        title: what it is, for people.
        spec: of the network that they fit; None for a discriminator.
        channels: of a discriminator's input; the number of classes otherwise.
        state: the tensors; without the head where ``fresh`` says so.
        fresh: first parts of the names that are to be drawn, because the file has no such weights.
        kept: what else the file's own spec holds (class names, where it came from).
        findings: what the file turned out to be, and how that is known, one sentence each.
    """

    kind: str
    title: str
    spec: ModelSpec | None
    channels: int
    state: dict[str, Tensor]
    fresh: frozenset[str]
    kept: dict[str, Any]
    findings: list[str]


def read_weights(path: Path, prefix: str | None = None) -> Weights:
    """Recognise a file and return its weights in our names.

    Args:
        path: the file.
        prefix: chooses one of several networks in it, such as ``teacher``.

    Raises:
        ModelFileError: it cannot be read, is of no known kind (the message says which is closest and what differs),
            holds several networks and ``prefix`` names none of them, or holds numbers that are not finite.
    """
    file = read_checkpoint_file(path)
    spec = _own_spec(path, file)
    if spec is not None and prefix is not None:
        raise ModelFileError(f"{path}: is a model of this program, which holds one network; leave --prefix out")
    weights = _own(path, file, spec) if spec is not None else _foreign(path, file, prefix)
    bad = [
        key for key, value in weights.state.items() if value.is_floating_point() and not bool(value.isfinite().all())
    ]
    if bad:
        raise ModelFileError(f"{path}: holds numbers that are not finite, in {', '.join(bad[:3])}")
    return weights


def _own_spec(path: Path, file: CheckpointFile) -> dict[str, Any] | None:
    """Return the spec of a file that this program wrote, or None."""
    if file.metadata.get("format") != FILE_FORMAT:
        return None
    if file.metadata.get("version") != str(FILE_VERSION):
        raise ModelFileError(
            f"{path}: model file version {file.metadata.get('version')}; this program reads {FILE_VERSION}"
        )
    try:
        spec = json.loads(file.metadata["spec"])
        ModelSpec(**{field.name: spec[field.name] for field in fields(ModelSpec)})
    except (KeyError, TypeError, ValueError):
        raise ModelFileError(f"{path}: is a model of this program whose spec is damaged") from None
    return dict(spec)


def _own(path: Path, file: CheckpointFile, stored: dict[str, Any]) -> Weights:
    spec = ModelSpec(**{field.name: stored[field.name] for field in fields(ModelSpec)})
    try:
        shapes = own_shapes(spec)
    except (KeyError, TypeError, ValueError, AttributeError, RuntimeError):
        raise ModelFileError(f"{path}: is a model of this program whose spec is damaged") from None
    tensors = _renamed(file.tensors, shapes)
    if {key: tuple(value.shape) for key, value in tensors.items()} != shapes:
        raise ModelFileError(f"{path}: the stored spec and weights do not fit together")
    imported = stored.get("imported") or {}
    fresh = frozenset(imported.get("fresh", ()))
    state = {key: value for key, value in tensors.items() if key.split(".")[0] not in fresh}
    kept = {key: value for key, value in stored.items() if key not in {field.name for field in fields(ModelSpec)}}
    origin = f", imported from {imported['kind']}" if imported else ""
    title = f"a model of this program{origin}"
    return Weights("roundabout", title, spec, spec.classes, state, fresh, kept, _describe(spec, file, []))


def _renamed(tensors: Mapping[str, Tensor], shapes: Mapping[str, tuple[int, ...]]) -> Mapping[str, Tensor]:
    try:
        return under_todays_names(tensors, list(shapes))
    except KeyError:  # the caller says so
        return tensors


def _foreign(path: Path, file: CheckpointFile, prefix: str | None) -> Weights:
    network = choose_network(path, file, prefix)
    match = network.match
    file = file._replace(inside=network.inside, beside=_beside(file, network))
    state = {}
    for slot in match.slots:
        tensor = network.tensors[match.prefix + slot.theirs]
        state[slot.ours] = _plain(tensor).reshape(_our_shape(match, slot.ours, slot.shape))
    if match.kind.spec is None:
        findings = [*_read_from(file, match), f"{match.classes} channels"]
        return Weights(match.kind.name, match.kind.title, None, match.classes, state, frozenset(), {}, findings)
    spec, evidence = _detected(match, state)
    _add_counters(spec, state)
    fresh = head_parts(spec.architecture, spec.encoder, spec.heads) if match.kind.encoder_only else frozenset[str]()
    fresh = frozenset(part for part in fresh if any(key.split(".")[0] == part for key in own_shapes(spec)))
    kept = {"imported": _imported(path, match, fresh)}
    findings = [*_read_from(file, match), *_describe(spec, None, evidence)]
    if match.kind.encoder_only:
        findings.append("an encoder only: the head starts afresh")
    if match.kind.note:
        findings.append(match.kind.note)
    return Weights(match.kind.name, match.kind.title, spec, spec.classes, state, fresh, kept, findings)


def _beside(file: CheckpointFile, network: Network) -> list[str]:
    """Return the keys beside a network's dict."""
    if network.inside == file.inside:
        return file.beside
    return [file.inside or "tensors at the top", *(key for key in file.beside if key != network.inside)]


def _plain(tensor: Tensor) -> Tensor:
    """Return weights as float32, which holds half precision exactly; counters as they are."""
    return tensor.to(torch.float32) if tensor.is_floating_point() else tensor


def _our_shape(match: Recognised, key: str, shape: tuple[int, ...]) -> tuple[int, ...]:
    if match.kind.spec is None:
        return shape
    return own_shapes(replace(match.kind.spec, classes=match.classes))[key]


def _add_counters(spec: ModelSpec, state: dict[str, Tensor]) -> None:
    for key in own_shapes(spec):
        if key.endswith(COUNTER) and key not in state:
            state[key] = torch.tensor(0)


def _imported(path: Path, match: Recognised, fresh: frozenset[str]) -> dict[str, Any]:
    """Return the origin that a model file remembers; ``export`` writes back by it."""
    return {"kind": match.kind.name, "file": path.name, "fresh": sorted(fresh), "counters": match.has_counters}


def _detected(match: Recognised, state: Mapping[str, Tensor]) -> tuple[ModelSpec, list[str]]:
    """Return the spec with what only the numbers show (preprocessing, branches), and how each is known."""
    assert match.kind.spec is not None
    spec = replace(match.kind.spec, classes=match.classes)
    why = "as all files of this kind"
    if not match.kind.sure:
        seen = reads_bytes(state, "conv1.weight", "bn1")
        if seen is not None:
            spec = replace(spec, preprocessing="caffe-bgr" if seen[0] else "imagenet-rgb")
            why = f"its first layer has seen inputs of about ±{seen[1]:.2g}"
        elif match.kind.encoder_only:
            spec = replace(spec, preprocessing="imagenet-rgb")
    evidence = [f"preprocessing {spec.preprocessing} ({why})"]
    if spec.architecture == "deeplabv2-resnet101" and not match.kind.encoder_only:
        spec = replace(spec, aspp_branches=aspp_branches(state, "layer6" if spec.heads == 2 else "layer5"))
        trained = "the other two were never trained" if spec.aspp_branches == 2 else "none of them is as it was drawn"
        evidence.append(f"{spec.aspp_branches} of {ASPP_BRANCHES} ASPP branches are summed ({trained})")
    return spec, evidence


def _read_from(file: CheckpointFile, match: Recognised) -> list[str]:
    findings = [f"read from {file.container}" + (f", below {file.inside!r}" if file.inside else "")]
    if match.prefix:
        findings.append(f"the prefix {match.prefix!r} is taken off every name")
    if match.ignored:
        findings.append(f"{counted(len(match.ignored), 'tensor')} not read: {_by_part(match.ignored)}")
    if file.beside:
        findings.append(f"beside the weights, not read: {', '.join(file.beside[:6])}")
    return findings


def _by_part(names: list[str]) -> str:
    """Return the first names, one of each first part before a second one: every module that is not read is named."""
    firsts = {name.partition(".")[0]: name for name in reversed(names)}
    shown = sorted(names, key=lambda name: firsts[name.partition(".")[0]] != name)[:SHOWN]
    return ", ".join(shown) + (" …" if len(names) > SHOWN else "")


def _describe(spec: ModelSpec, file: CheckpointFile | None, evidence: list[str]) -> list[str]:
    encoder = f" on {spec.encoder}" if spec.has_encoder else ""
    heads = "1 head" if spec.heads == 1 else f"{spec.heads} heads"
    findings = [] if file is None else [f"read from {file.container}"]
    findings.append(f"{spec.architecture}{encoder}, {heads}, {spec.classes} classes")
    if not evidence:
        branches = f", {spec.aspp_branches} ASPP branches" if spec.architecture.startswith("deeplab") else ""
        evidence = [f"preprocessing {spec.preprocessing}{branches}"]
    return findings + evidence


def to_authors(spec: ModelSpec, state: Mapping[str, Tensor], kept: Mapping[str, Any]) -> tuple[Kind, dict[str, Tensor]]:
    """Return a network's weights under the authors' names: the kind, and the tensors in the order of our state.

    Weights that were imported go back bit for bit (as float32), without counters where the file had none.

    Raises:
        ModelFileError: there are no authors' names for such a network.
    """
    kind = kind_of_model(spec)
    if kind is None:
        encoder = f" on {spec.encoder}" if spec.has_encoder else ""
        raise ModelFileError(
            f"{spec.architecture}{encoder} has no authors' names; `roundabout export --safetensors` keeps ours"
        )
    counters = (kept.get("imported") or {}).get("counters", True)
    return kind, {
        slot.theirs: state[slot.ours].reshape(slot.shape)
        for slot in kind.slots(spec.classes)
        if counters or not slot.theirs.endswith(COUNTER)
    }
