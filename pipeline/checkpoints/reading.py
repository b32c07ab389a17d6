"""Opening a file of weights without running anything that is in it: torch's formats, safetensors, MXNet's `.params`."""

from __future__ import annotations

import json
import pickle
import re
import warnings
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from pipeline.checkpoints.harmless import HARMLESS, stand_in
from pipeline.checkpoints.mxnet_params import is_mxnet, read_mxnet
from pipeline.checkpoints.not_weights import HEAD, other_than_weights
from pipeline.models.model_file import FILE_FORMAT, ModelFileError

# Where training programs keep the weights beside optimisers and counters, the likeliest first.
NESTED = ("state_dict", "model_state_dict", "model_state", "model", "net", "network", "weights", "params", "module")
DEPTH = 3
MOST_STAND_INS = 40


class CheckpointFile(NamedTuple):
    """A file's tensors by their names in it."""

    tensors: dict[str, Tensor]
    container: str
    """the file format, in words"""
    inside: str
    """where in nested dicts the tensors were, such as ``state_dict``; empty at the top"""
    beside: list[str]
    """keys beside the tensors, which are not read"""
    metadata: dict[str, str]
    """of safetensors, and of this program's own files"""
    others: Mapping[str, Mapping[str, Tensor]] = {}
    """other dicts of tensors in the file, by where they are: an average, a teacher, an optimiser's"""


def read_checkpoint_file(path: Path) -> CheckpointFile:
    """Open a file of weights; large files are mapped, not read.

    Raises:
        ModelFileError: there is no such file, it is of no known format, is damaged, holds code or no tensors; the
            message says which.
    """
    head = _head(path)
    if is_mxnet(head):
        return CheckpointFile(read_mxnet(path), "MXNet's list of arrays (.params)", "", [], {})
    if len(head) > 8 and head[8:9] == b"{":
        return _read_safetensors(path)
    other = other_than_weights(path, head)
    if other is not None:
        raise ModelFileError(f"{path}: {other}")
    content = _read_torch(path)
    if isinstance(content, Mapping) and content.get("format") == FILE_FORMAT:
        return _own(path, content)
    kind = "torch's zip archive" if zipfile.is_zipfile(path) else "torch's format of before 1.6"
    content = _as_mapping(content)
    tensors, inside, beside = _weights_in(content, "")
    if not tensors:
        held = ", ".join(beside[:6]) if beside else f"a {type(content).__name__}"
        raise ModelFileError(f"{path}: holds no tensors by name; it holds {held}")
    others = {place: tree for place, tree in _trees(content, "") if place != inside}
    return CheckpointFile(tensors, kind, inside, beside, {}, others)


def _head(path: Path) -> bytes:
    if path.is_dir():
        raise ModelFileError(f"{path}: is a folder; name the file of weights in it")
    if not path.is_file():
        raise ModelFileError(f"{path}: there is no such file")
    with path.open("rb") as file:
        head = file.read(HEAD)
    if not head:
        raise ModelFileError(f"{path}: is an empty file, maybe of a download that failed; fetch it again")
    return head


def _own(path: Path, content: Mapping[str, Any]) -> CheckpointFile:
    """Return a model file of this program, its spec as JSON, as our safetensors have it."""
    try:
        spec = json.dumps(content["spec"])
        metadata = {"format": FILE_FORMAT, "version": str(content["version"]), "spec": spec}
        state = {key: value for key, value in dict(content["state"]).items() if isinstance(value, Tensor)}
        if len(state) != len(content["state"]):
            raise ValueError("what is stored as weights is not all tensors")
        return CheckpointFile(state, "a model file of this program", "", [], metadata)
    except (KeyError, TypeError, ValueError):
        raise ModelFileError(f"{path}: the stored spec and weights do not fit together") from None


def _read_safetensors(path: Path) -> CheckpointFile:
    try:
        with safe_open(path, framework="pt") as file:
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 - it is not a dict
            return CheckpointFile(tensors, "safetensors", "", [], file.metadata() or {})
    except (SafetensorError, RuntimeError) as error:
        raise ModelFileError(f"{path}: is not a complete safetensors file ({error})") from None


def _read_torch(path: Path) -> Any:
    """Read with torch's restricted reader; settings of configuration libraries become inert objects, one at a time."""
    allowed = list(HARMLESS)
    for _ in range(MOST_STAND_INS):
        try:
            with warnings.catch_warnings(), torch.serialization.safe_globals(allowed):
                warnings.simplefilter("ignore")  # on pickle protocols, and on archives that are refused below
                return torch.load(path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path))
        except (ModelFileError, MemoryError):
            raise
        except Exception as error:  # damaged pickles raise KeyError, EOFError, OSError, struct.error and others
            named = re.search(r"GLOBAL (\S+)", str(error))
            replacement = stand_in(named[1]) if named else None
            if replacement is None or replacement in allowed:
                raise ModelFileError(f"{path}: {_why_refused(str(error), error)}") from None
            allowed.append(replacement)
    raise ModelFileError(f"{path}: is refused: its settings are of more than {MOST_STAND_INS} classes")


def _why_refused(message: str, error: Exception) -> str:
    """Return why torch's restricted reader gave up, for people."""
    named = re.search(r"GLOBAL (\S+)", message)
    if named:
        return (
            f"is refused: it holds more than weights, namely {named[1]}, and opening that could run code. Nothing of "
            "it was run. Ask its author for torch.save(model.state_dict(), …) or safetensors"
        )
    if "TorchScript" in message:
        return "is refused: it is a TorchScript archive, which holds code; nothing of it was run. Ask for a state dict"
    if "legacy .tar" in message:
        return "is refused: it is of PyTorch before 0.4 (a tar), which cannot be read without running code in it"
    if "Weights only load failed" in message or isinstance(error, pickle.UnpicklingError):
        return "is refused: it is not a file of weights, maybe a pickle of something else; nothing of it was run"
    return "is not a checkpoint (torch, safetensors, MXNet .params), or it is truncated or damaged; fetch it again"


def _as_mapping(content: Any) -> Any:
    """Return a list or tuple as a dict by position: some programs save ``[state]`` or ``(state, epoch)``."""
    if isinstance(content, list | tuple):
        return {str(index): value for index, value in enumerate(content)}
    return content


def _trees(content: Any, inside: str, depth: int = 0) -> Iterator[tuple[str, dict[str, Tensor]]]:
    """Yield every dict that holds tensors by name, and where it is."""
    if not isinstance(content, Mapping):
        return
    tensors = {key: value for key, value in content.items() if isinstance(key, str) and isinstance(value, Tensor)}
    if tensors:
        yield inside, tensors
    if depth < DEPTH:
        for key, value in content.items():
            yield from _trees(value, f"{inside}.{key}".lstrip("."), depth + 1)


def _weights_in(content: Any, inside: str, depth: int = 0) -> tuple[dict[str, Tensor], str, list[str]]:
    """Return the tensors of the innermost likely dict, its path, and the names of what is beside it at every level."""
    if not isinstance(content, Mapping):
        return {}, inside, []
    tensors = {key: value for key, value in content.items() if isinstance(key, str) and isinstance(value, Tensor)}
    others = [str(key) for key in content if key not in tensors]
    nested = {key: value for key, value in content.items() if isinstance(value, Mapping) and isinstance(key, str)}
    if depth < DEPTH:
        known = [name for name in NESTED if name in nested]
        for name in [*known, *(name for name in nested if name not in known)]:
            tensors_inside, path, beside = _weights_in(nested[name], f"{inside}.{name}".lstrip("."), depth + 1)
            # tensors beside `state_dict` are a best score or an epoch; a dict beside the weights may be an optimiser's
            if tensors_inside and len(tensors_inside) >= len(tensors) + (0 if name in known else 1):
                return tensors_inside, path, [str(key) for key in content if key != name] + beside
    return tensors, inside, others
