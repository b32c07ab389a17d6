"""Exporting a cache for other programs as .npy or .npz."""

# N images, C class, H/W pixels

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import numpy as np
from tqdm import tqdm

from pipeline.cache.reader import CacheReader
from pipeline.cache.schema import CacheError
from pipeline.common.files import whole_file

What = Literal["probabilities", "labels", "entropy"]
# Names of single files of another kind. Any other name with a dot is a folder's, as in `probabilities-p0.2`.
_OTHER_FILES = (".npy", ".h5", ".hdf5", ".zip", ".png", ".mat", ".pt")


def export_cache(reader: CacheReader, out: Path, what: What, image_ids: list[str] | None = None) -> int:
    """Write volumes into ``out``, a .npz with one array or a folder of .npy files, and return how many images.

    ``probabilities``: float32 (C,H,W); ``labels``: uint8 (H,W); ``entropy``: float32 (H,W) in nats. A .npz holds them
    as one array (N,…) of that name and ``image_ids``. Memory holds one image.

    Raises:
        CacheError: an id is unknown, or ``out`` cannot hold an export.
    """
    numbers = [reader.index.number(image_id) for image_id in image_ids or reader.image_ids]
    read = _readers(reader)[what]
    if out.suffix == ".npz":
        _write_npz(out, what, numbers, read, [reader.image_ids[number] for number in numbers])
        return len(numbers)
    if out.suffix.lower() in _OTHER_FILES and not out.is_dir():
        raise CacheError(f"{out}: exports go into a .npz file, or into a folder of .npy files")
    for number in tqdm(numbers, unit="image", desc="export", disable=None):
        path = out / f"{reader.image_ids[number]}.npy"
        if not path.resolve().is_relative_to(out.resolve()):
            raise CacheError(f"{reader.image_ids[number]}: this id would be written outside of {out}")
        with whole_file(path) as temporary, temporary.open("wb") as file:
            np.save(file, read(number))
    return len(numbers)


def _readers(reader: CacheReader) -> dict[str, Callable[[int], np.ndarray]]:
    return {
        "probabilities": lambda number: reader.probability(number).numpy(),
        "labels": reader.label,
        "entropy": lambda number: reader.pixels(number, volume=False).entropy_HW.numpy(),
    }


def _write_npz(
    path: Path, name: str, numbers: list[int], read: Callable[[int], np.ndarray], image_ids: list[str]
) -> None:
    with whole_file(path) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED, True, 1) as archive:
        with archive.open("image_ids.npy", "w") as member:
            np.lib.format.write_array(member, np.array(image_ids), allow_pickle=False)
        with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
            for row, number in enumerate(tqdm(numbers, unit="image", desc="export", disable=None)):
                values = np.ascontiguousarray(read(number))
                if row == 0:
                    header = np.lib.format.header_data_from_array_1_0(values)
                    header["shape"] = (len(numbers), *values.shape)
                    np.lib.format.write_array_header_1_0(member, header)
                member.write(values.tobytes())
