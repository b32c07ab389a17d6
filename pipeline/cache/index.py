"""A whole cache: the part of each image, and the statistics of all. Needs no torch."""

# N all images, C class, B bins

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np

from pipeline.cache.parts import open_part, part_name, read_ids, read_spec
from pipeline.cache.schema import HISTOGRAMS, STATISTICS, CacheError, CacheSpec
from pipeline.common.errors import did_you_mean


class CacheIndex:
    """Index of all parts, read from the parts themselves; statistics are read on first use.

    Raises:
        CacheError: a part is missing, unreadable or of another cache; a gap is never read as zeros.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.paths = sorted(folder.glob("part-*.h5"))
        if not self.paths:
            raise CacheError(f"{folder}: holds no parts of a cache (part-00000.h5, …)")
        self.image_ids: list[str] = []
        self.places: list[tuple[int, int]] = []
        """Part and row of each image."""
        self.spec = self._read_parts()
        self._number = {image_id: number for number, image_id in enumerate(self.image_ids)}
        self._statistics: dict[str, np.ndarray] = {}

    def _read_parts(self) -> CacheSpec:
        first: CacheSpec | None = None
        for number, path in enumerate(self.paths):
            with open_part(path) as file:
                spec = read_spec(file)
                if first is not None and spec != first:
                    raise CacheError(
                        f"{path}: belongs to cache {spec.called()}, {self.paths[0].name} to {first.called()}: "
                        "parts of two models or two data sets must not mix; delete the folder and dump again"
                    )
                first = spec
                ids, part = read_ids(file), int(file.attrs["part"])
            if path.name != part_name(number):
                raise CacheError(f"{self.folder}: {part_name(number)} is missing; run the dump again to write it")
            if part != number:
                raise CacheError(
                    f"{path}: was written as {part_name(part)}; delete it, and run the dump again to write it"
                )
            if len(ids) != len(spec.positions(number)):
                raise CacheError(f"{path}: holds {len(ids)} images, {len(spec.positions(number))} belong there")
            self.image_ids += ids
            self.places += [(number, row) for row in range(len(ids))]
        assert first is not None
        if len(self.paths) < first.parts:
            more = first.parts - len(self.paths) - 1
            missing = part_name(len(self.paths)) + (f" and {more} more" if more else "")
            raise CacheError(f"{self.folder}: {missing} is missing; run the dump again to write it")
        return first

    def __len__(self) -> int:
        return len(self.image_ids)

    def number(self, image_id: str) -> int:
        """Return the position of an image.

        Raises:
            CacheError: the cache has no image of this id.
        """
        if image_id not in self._number:
            raise CacheError(f"{self.folder}: has no image {image_id!r}{did_you_mean(image_id, self.image_ids)}")
        return self._number[image_id]

    def statistic(self, name: str) -> np.ndarray:
        """Return one of schema.ALL_STATISTICS of all images, (N,…)."""
        if name not in self._statistics:
            self._statistics[name] = np.concatenate([self._read(path, f"{STATISTICS}/{name}") for path in self.paths])
        return self._statistics[name]

    def total(self, name: str) -> np.ndarray:
        """Return one of schema.ALL_STATISTICS summed over all images; memory holds those of one part."""
        total = self._read(self.paths[0], f"{STATISTICS}/{name}").sum(axis=0)
        for path in self.paths[1:]:
            # image by image, as the sum over the whole would go: parts of other sizes give the same bits
            values = self._read(path, f"{STATISTICS}/{name}")
            total = np.concatenate([total[None], values]).sum(axis=0)
        return np.asarray(total)

    def histogram(self, name: str) -> np.ndarray:
        """Return pixels of all images by label and bin, (C,B) int64; ``name`` is confidence or entropy (bins.py)."""
        total_CB = self._read(self.paths[0], f"{HISTOGRAMS}/{name}").astype(np.int64)
        for path in self.paths[1:]:
            total_CB += self._read(path, f"{HISTOGRAMS}/{name}")
        return total_CB

    def _read(self, path: Path, name: str) -> np.ndarray:
        with open_part(path) as file:
            return read_values(file, name)


def read_values(file: h5py.File, name: str, key: tuple[int | slice, ...] = ()) -> np.ndarray:
    """Return values of a part's dataset.

    Raises:
        CacheError: they are damaged or missing; they are never read as zeros.
    """
    if name not in file:
        raise CacheError(f"{file.filename}: has no {name}; run the dump again")
    try:
        values: np.ndarray = file[name][key]
    except OSError as error:
        raise CacheError(f"{file.filename}: {name} is damaged ({error}); run the dump again") from None
    return values
