"""One part of a probability cache: a finished HDF5 file, or none.

# N images of the part, V views, C class, H/W pixels, h/w network resolution
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np

from pipeline.cache.schema import (
    ABOUT,
    ENTROPY,
    IMAGE_IDS,
    LABEL,
    LOGITS,
    PER_CLASS_STATISTICS,
    SCHEMA_VERSION,
    STATISTICS,
    CacheError,
    CacheSpec,
)
from pipeline.files import whole_file

# gzip 1 with shuffle: every HDF5 reader opens it, without plugins; the checksum turns a flipped bit into an error.
_COMPRESSION: dict[str, Any] = {"compression": "gzip", "compression_opts": 1, "shuffle": True, "fletcher32": True}


class PartContent(NamedTuple):
    """Everything a part holds, image by image."""

    image_ids: list[str]
    logits_NVChw: np.ndarray
    label_NHW: np.ndarray
    entropy_NHW: np.ndarray
    statistics: dict[str, np.ndarray]


def part_name(number: int) -> str:
    """File name of the part of that number, from 0."""
    return f"part-{number:05}.h5"


def write_part(path: Path, spec: CacheSpec, content: PartContent) -> None:
    """Writes a part under a temporary name and renames it when it is whole. Equal content gives equal bytes."""
    with whole_file(path) as temporary, h5py.File(temporary, "w") as file:
        file.attrs["roundabout_cache_version"] = SCHEMA_VERSION
        file.attrs["profile"] = "logits"
        file.attrs["fingerprint"] = spec.fingerprint
        file.attrs["class_names"] = list(spec.class_names)
        file.attrs["size"] = spec.size
        file.attrs["upsample_mode"] = spec.upsample_mode
        file.attrs["align_corners"] = spec.align_corners
        file.attrs["views"] = ["identity"]
        _write(file, IMAGE_IDS, np.array(content.image_ids, dtype=h5py.string_dtype()), chunk_images=False)
        _write(file, LOGITS, content.logits_NVChw.astype(np.float32, copy=False))
        _write(file, LABEL, content.label_NHW)
        _write(file, ENTROPY, content.entropy_NHW)
        for name in PER_CLASS_STATISTICS:
            _write(file, f"{STATISTICS}/{name}", content.statistics[name], chunk_images=False)


def _write(file: h5py.File, name: str, values: np.ndarray, *, chunk_images: bool = True) -> None:
    options: dict[str, Any] = {"chunks": (1, *values.shape[1:]), **_COMPRESSION} if chunk_images else {}
    file.create_dataset(name, data=values, **options).attrs["about"] = ABOUT[name]


def open_part(path: Path) -> h5py.File:
    """Opens a finished part for reading, also on file systems without locks.

    Raises CacheError that names a part which is missing, truncated, or of another schema version.
    """
    try:
        file = h5py.File(path, "r", locking="best-effort")
    except FileNotFoundError:
        raise CacheError(f"{path}: this part of the cache is missing; run the dump again to make it") from None
    except OSError as error:
        raise CacheError(f"{path}: cannot be read as HDF5 ({error}); delete it and run the dump again") from None
    version = file.attrs.get("roundabout_cache_version")
    if version != SCHEMA_VERSION:
        file.close()
        raise CacheError(f"{path}: cache schema version {version}, this program reads version {SCHEMA_VERSION}")
    return file


def read_spec(file: h5py.File) -> CacheSpec:
    """What the part says about the cache it belongs to."""
    height, width = (int(value) for value in file.attrs["size"])
    return CacheSpec(
        fingerprint=str(file.attrs["fingerprint"]),
        class_names=tuple(str(name) for name in file.attrs["class_names"]),
        size=(height, width),
        upsample_mode=str(file.attrs["upsample_mode"]),
        align_corners=bool(file.attrs["align_corners"]),
    )


def read_ids(file: h5py.File) -> list[str]:
    """The ids of the part's images."""
    return [str(value) for value in file[IMAGE_IDS].asstr()[:]]


def is_finished(path: Path, spec: CacheSpec, image_ids: list[str]) -> bool:
    """Whether the part is there, readable, of this very cache, and holds these images.

    Raises CacheError for a part that another model or other parameters made: it is not ours to overwrite.
    """
    if not path.exists():
        return False
    try:
        with open_part(path) as file:
            found = read_spec(file)
            same_images = read_ids(file) == image_ids
    except (CacheError, KeyError, OSError):
        return False
    if found != spec:
        raise CacheError(
            f"{path}: was made by {found.fingerprint}, this dump is {spec.fingerprint}: another model, other data or "
            "other parameters; dump into another folder or delete this one"
        )
    return same_images
