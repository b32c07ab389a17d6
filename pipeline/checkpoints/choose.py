"""Which network of a file is meant: student or teacher, model or its average, where there are several."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from torch import Tensor

from pipeline.checkpoints.reading import CheckpointFile
from pipeline.checkpoints.recognise import Recognised, closest, networks_in
from pipeline.models.model_file import ModelFileError

# What torch.compile, FSDP and activation checkpointing put into names, at any depth.
_WRAPPERS = re.compile(r"(?<![^.])(?:_orig_mod|_fsdp_wrapped_module|_checkpoint_wrapped_module)\.")


class Network(NamedTuple):
    """One network in a file."""

    inside: str
    """where its dict is in the file; empty at the top"""
    tensors: Mapping[str, Tensor]
    """of that dict, without the wrappers' prefixes"""
    match: Recognised

    @property
    def name(self) -> str:
        """Return where it is, dict and prefix, as `--prefix` takes it."""
        return ".".join(part for part in (self.inside, self.match.prefix.rstrip(".")) if part)

    def is_named(self, prefix: str) -> bool:
        """Return whether a user's prefix is this network's name, or its last parts."""
        return f".{self.name}".endswith(f".{prefix.strip('.')}")


def choose_network(path: Path, file: CheckpointFile, prefix: str | None) -> Network:
    """Return the network of a file that is no model of this program.

    Raises:
        ModelFileError: there is none of a known kind, or there are several and ``prefix`` does not choose one; the
            message names them.
    """
    networks = _networks(file)
    if not networks:
        raise ModelFileError(f"{path}: is of no known kind; {closest(unwrapped(file.tensors))}")
    chosen = networks if prefix is None else [network for network in networks if network.is_named(prefix)]
    if len(chosen) == 1:
        return chosen[0]
    listed = "; ".join(f"{network.name or 'the top'} ({network.match.kind.name})" for network in networks)
    if prefix is not None and not chosen:
        raise ModelFileError(f"{path}: holds no network below {prefix!r}; it holds {listed}")
    raise ModelFileError(
        f"{path}: holds {len(networks)} networks: {listed}; choose one: `roundabout checkpoint import {path} OUT.pt "
        f"--prefix {networks[-1].name}`, and use OUT.pt"
    )


def _networks(file: CheckpointFile) -> list[Network]:
    trees = {file.inside: file.tensors, **file.others}
    plain = {inside: unwrapped(tensors) for inside, tensors in trees.items()}
    return [Network(inside, tensors, match) for inside, tensors in plain.items() for match in networks_in(tensors)]


def unwrapped(tensors: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    """Return the tensors without the parts of names that wrappers add; as they are where two names would be one."""
    plain = {_WRAPPERS.sub("", name): tensor for name, tensor in tensors.items()}
    return plain if len(plain) == len(tensors) else tensors
