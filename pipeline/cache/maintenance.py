"""Verifying a cache, and rewriting it with fewer and larger parts."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
from tqdm import tqdm

from pipeline.cache.codec import EncodedArray, chunk_offsets
from pipeline.cache.encode import EncodedImage, Histograms, empty_histograms
from pipeline.cache.index import CacheIndex, read_values
from pipeline.cache.parts import open_part, part_name, read_spec, verify_part, write_part
from pipeline.cache.schema import (
    ALL_STATISTICS,
    CONFIDENCE_HISTOGRAM,
    ENTROPY_HISTOGRAM,
    HISTOGRAMS,
    STATISTICS,
    CacheError,
)

_NAMED = 20
"""Missing parts that are named one by one; more are counted."""


def problems_of(folder: Path) -> list[str]:
    """Return all problems of a cache, one line each: missing, cut, damaged and foreign parts."""
    problems, whole = [], []
    paths = sorted(folder.glob("part-*.h5"))
    for path in tqdm(paths, unit="part", desc="verify", disable=None):
        try:
            verify_part(path)
            whole.append(path)
        except CacheError as error:
            problems.append(str(error))
    if len(whole) == len(paths):
        try:
            CacheIndex(folder)
        except CacheError as error:
            problems.append(str(error))
    elif whole:
        with open_part(whole[0]) as file:
            expected = read_spec(file).parts
        there = {path.name for path in paths}
        missing = [name for name in (part_name(number) for number in range(expected)) if name not in there]
        problems += [f"{folder / name}: this part of the cache is missing" for name in missing[:_NAMED]]
        problems += [f"{folder}: and {len(missing) - _NAMED} more"] if len(missing) > _NAMED else []
    return problems


def compact(folder: Path, out: Path, part_images: int) -> int:
    """Write the cache again with larger parts, chunks copied as they are, and return its new number of parts.

    Raises:
        CacheError: ``part_images`` is not a larger multiple of the present number, or ``out`` is not empty.
    """
    index = CacheIndex(folder)
    old = index.spec.part_images
    if part_images % old or part_images <= old:
        raise CacheError(f"{folder}: has parts of {old} images; a larger multiple of that is needed, not {part_images}")
    if out.exists() and any(out.iterdir()):
        raise CacheError(f"{out}: is not empty; compact writes into a new folder")
    out.mkdir(parents=True, exist_ok=True)
    spec = replace(index.spec, part_images=part_images)
    for number in tqdm(range(spec.parts), unit="part", desc="compact", disable=None):
        first = number * (part_images // old)
        images: list[EncodedImage] = []
        histograms = empty_histograms(spec.classes)
        for path in index.paths[first : first + part_images // old]:
            verify_part(path)  # chunks are copied unread: a damaged one would get a new, valid checksum
            with open_part(path) as file:
                images += _encoded_images(file)
                histograms.add(_histograms(file))
        write_part(
            out, spec, number, [index.image_ids[position] for position in spec.positions(number)], images, histograms
        )
    return spec.parts


def _histograms(file: h5py.File) -> Histograms:
    names = (CONFIDENCE_HISTOGRAM, ENTROPY_HISTOGRAM)
    return Histograms(*(read_values(file, f"{HISTOGRAMS}/{name}") for name in names))


def _encoded_images(file: h5py.File) -> list[EncodedImage]:
    """Return the images of a part, still compressed."""
    names: list[str] = []
    file.visititems(lambda name, item: names.append(name) if isinstance(item, h5py.Dataset) else None)
    per_pixel = [name for name in names if file[name].ndim >= 3 and name.split("/")[0] not in (STATISTICS, HISTOGRAMS)]
    statistics = {name: read_values(file, f"{STATISTICS}/{name}") for name in ALL_STATISTICS}
    return [
        EncodedImage(
            {name: _encoded(file[name], row) for name in per_pixel},
            {name: np.asarray(values[row]) for name, values in statistics.items()},
            None,
        )
        for row in range(len(statistics["entropy_mean"]))
    ]


def _encoded(dataset: h5py.Dataset, row: int) -> EncodedArray:
    shape, chunk = dataset.shape[1:], dataset.chunks[1:]
    blobs = [dataset.id.read_direct_chunk((row, *offset))[1] for offset in chunk_offsets(shape, chunk)]
    return EncodedArray(shape, chunk, dataset.dtype, blobs)
