"""One part of a probability cache: a whole HDF5 file, or none.

A part is built in memory and written at once: temporary name, fsync, rename. After the HDF5 data comes one line with
a checksum of everything before it, which HDF5 does not read: `verify_part` detects a part that was cut or changed.
"""

# N images of the part, C class

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from pipeline.cache.codec import FILTERS, EncodedArray, chunk_offsets
from pipeline.cache.encode import EncodedImage, Histograms
from pipeline.cache.schema import (
    ABOUT,
    ALL_STATISTICS,
    CONFIDENCE_HISTOGRAM,
    ENTROPY_HISTOGRAM,
    HISTOGRAMS,
    IMAGE_IDS,
    LOGITS,
    SCHEMA_VERSION,
    STATISTICS,
    CacheError,
    CacheSpec,
    DamagedPartError,
    View,
)
from pipeline.common.files import write_bytes
from pipeline.common.hdf5 import ForeignHdf5Error, open_hdf5

_SEAL = b"\nroundabout cache part, blake2b "
_SEAL_BYTES = len(_SEAL) + 64 + 1


def part_name(number: int) -> str:
    """Return the file name of the part of this number, from 0."""
    return f"part-{number:05}.h5"


def write_part(
    folder: Path, spec: CacheSpec, number: int, image_ids: list[str], images: list[EncodedImage], counts: Histograms
) -> None:
    """Write a whole part. Equal content gives equal bytes."""
    data = _part_image(spec, number, image_ids, images, counts)
    write_bytes(folder / part_name(number), data + _seal(data))


def _part_image(
    spec: CacheSpec, number: int, image_ids: list[str], images: list[EncodedImage], counts: Histograms
) -> bytes:
    # libver v110: all metadata carry checksums, and the file opens with HDF5 1.10 and later
    with h5py.File("part", "w", driver="core", backing_store=False, libver=("v110", "v110")) as file:
        for name, value in _attributes(spec, number).items():
            file.attrs[name] = value
        _write_small(file, IMAGE_IDS, _fixed_length(image_ids))
        for name in images[0].arrays:
            _write_encoded(file, name, [image.arrays[name] for image in images])
        for view in spec.views if LOGITS in file else ():
            file[f"{LOGITS}/{view.name}"].attrs.update({"scale": view.scale, "flip": view.flip})
        for name in ALL_STATISTICS:
            _write_small(file, f"{STATISTICS}/{name}", np.stack([image.statistics[name] for image in images]))
        _write_histogram(file, CONFIDENCE_HISTOGRAM, counts.confidence_CB)
        _write_histogram(file, ENTROPY_HISTOGRAM, counts.entropy_CB)
        file.flush()
        image: bytes = file.id.get_file_image()
    return image


def _attributes(spec: CacheSpec, number: int) -> dict[str, Any]:
    return {
        "roundabout_cache_version": SCHEMA_VERSION,
        "profile": spec.profile,
        "fingerprint": spec.fingerprint,
        "origin": spec.origin,
        "class_names": list(spec.class_names),
        "size": spec.size,
        "align_corners": spec.align_corners,
        "views": json.dumps([view._asdict() for view in spec.views]),
        "part": number,
        "images_of_the_cache": spec.images,
        "images_of_a_part": spec.part_images,
    }


def _fixed_length(texts: list[str]) -> np.ndarray:
    """Return text in fixed length, which is checksummed like other data; text of variable length is not."""
    encoded = [text.encode() for text in texts]
    return np.array(encoded, dtype=h5py.string_dtype("utf-8", max(1, *map(len, encoded), 1)))


def _write_small(file: h5py.File, name: str, values: np.ndarray) -> None:
    file.create_dataset(name, data=values, chunks=values.shape, **FILTERS).attrs["about"] = ABOUT[name]


def _write_encoded(file: h5py.File, name: str, arrays: list[EncodedArray]) -> None:
    """Write a dataset (N,…) of which each image's chunks are compressed already."""
    first = arrays[0]
    if any((array.shape, array.chunk, array.dtype) != (first.shape, first.chunk, first.dtype) for array in arrays):
        raise CacheError(f"{name}: the images differ in shape: {sorted({array.shape for array in arrays})}")
    dataset = file.create_dataset(name, (len(arrays), *first.shape), first.dtype, chunks=(1, *first.chunk), **FILTERS)
    dataset.attrs["about"] = ABOUT[name.split("/")[0]]
    for number, array in enumerate(arrays):
        for offset, blob in zip(chunk_offsets(array.shape, array.chunk), array.blobs, strict=True):
            dataset.id.write_direct_chunk((number, *offset), blob)


def _write_histogram(file: h5py.File, name: str, counts_CB: np.ndarray) -> None:
    path = f"{HISTOGRAMS}/{name}"
    chunks = (1, counts_CB.shape[1])
    file.create_dataset(path, data=counts_CB, chunks=chunks, **FILTERS).attrs["about"] = ABOUT[path]


def _seal(data: bytes) -> bytes:
    return _SEAL + hashlib.blake2b(data, digest_size=32).hexdigest().encode() + b"\n"


def open_part(path: Path) -> h5py.File:
    """Open a finished part for reading, also on file systems without locks.

    Raises:
        CacheError: the part is missing, truncated, or of another schema version.
    """
    try:
        file = open_hdf5(path)
    except FileNotFoundError:
        raise CacheError(f"{path}: this part of the cache is missing; run the dump again to write it") from None
    except ForeignHdf5Error as error:
        raise CacheError(f"{error}; ask for the cache itself, or run the dump again") from None
    except OSError as error:
        raise CacheError(f"{path}: cannot be read as HDF5 ({error}); delete it and run the dump again") from None
    version = file.attrs.get("roundabout_cache_version")
    if version != SCHEMA_VERSION:
        file.close()
        raise CacheError(
            f"{path}: cache schema version {version}, this program reads version {SCHEMA_VERSION}; "
            "dump into a new folder"
        )
    return file


def read_spec(file: h5py.File) -> CacheSpec:
    """Return the spec of the cache that the part belongs to.

    Raises:
        CacheError: its attributes are not those of a cache.
    """
    try:
        return _spec_in(file)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise CacheError(
            f"{file.filename}: its attributes are not those of a cache ({error}); delete it and run the dump again"
        ) from None


def _spec_in(file: h5py.File) -> CacheSpec:
    height, width = (int(value) for value in file.attrs["size"])
    return CacheSpec(
        fingerprint=str(file.attrs["fingerprint"]),
        class_names=tuple(str(name) for name in file.attrs["class_names"]),
        size=(height, width),
        profile=file.attrs["profile"],
        images=int(file.attrs["images_of_the_cache"]),
        part_images=int(file.attrs["images_of_a_part"]),
        align_corners=bool(file.attrs["align_corners"]),
        views=tuple(View(**view) for view in json.loads(file.attrs["views"])),
        origin=str(file.attrs["origin"]),
    )


def read_ids(file: h5py.File) -> list[str]:
    """Return the ids of the part's images; raise CacheError where they are not text."""
    try:
        return [value.decode() for value in file[IMAGE_IDS][:]]
    except (KeyError, TypeError, ValueError, AttributeError, OSError) as error:
        raise CacheError(f"{file.filename}: has no ids of images ({error}); delete it and run the dump again") from None


def verify_part(path: Path) -> None:
    """Read a part and compare it with its checksum.

    Raises:
        CacheError: it is missing, unreadable, cut or damaged.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise CacheError(f"{path}: this part of the cache is missing; run the dump again to write it") from None
    except OSError as error:
        raise CacheError(f"{path}: cannot be read ({error})") from None
    seal = data[-_SEAL_BYTES:]
    if not seal.startswith(_SEAL):
        raise DamagedPartError(f"{path}: is cut: its end is missing ({len(data)} bytes are there); run the dump again")
    if seal != _seal(data[:-_SEAL_BYTES]):
        raise DamagedPartError(f"{path}: is damaged: its content does not match its checksum; run the dump again")
    open_part(path).close()


def is_finished(path: Path, spec: CacheSpec, image_ids: list[str]) -> bool:
    """Return whether the part is there, undamaged, of this very cache, and holds these images.

    Raises:
        CacheError: another model or other parameters wrote the part; it is not overwritten.
    """
    if not path.exists():
        return False
    try:
        verify_part(path)
    except DamagedPartError:
        return False
    with open_part(path) as file:
        stored = read_spec(file)
        same_images = read_ids(file) == image_ids
    if stored.fingerprint != spec.fingerprint:
        raise CacheError(
            f"{path}: was written by {stored.called()}, this dump is {spec.called()}: another model, other data or "
            "other parameters; dump into another folder or delete this one"
        )
    return stored == spec and same_images
