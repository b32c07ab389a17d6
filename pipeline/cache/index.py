"""A cache as a whole: which image lies in which part, and the statistics of all. Needs no torch.

# N all images, C class
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from pipeline.cache.parts import open_part, read_ids, read_spec
from pipeline.cache.schema import PER_CLASS_STATISTICS, STATISTICS, CacheError, CacheSpec


class CacheIndex:
    """Built from the parts themselves, so it can be built again at any time.

    Raises CacheError where a part is missing, unreadable or of another cache; a gap is never read as zeros.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.paths = sorted(folder.glob("part-*.h5"))
        if not self.paths:
            raise CacheError(f"{folder}: holds no parts of a cache (part-00000.h5, …)")
        self.image_ids: list[str] = []
        self.places: list[tuple[int, int]] = []
        self._statistics: dict[str, list[np.ndarray]] = {name: [] for name in PER_CLASS_STATISTICS}
        self.spec = self._read_parts()
        self._number = {image_id: number for number, image_id in enumerate(self.image_ids)}

    def _read_parts(self) -> CacheSpec:
        first: CacheSpec | None = None
        for number, path in enumerate(self.paths):
            if path.name != f"part-{number:05}.h5":
                raise CacheError(f"{self.folder}: part-{number:05}.h5 is missing; run the dump again to make it")
            with open_part(path) as file:
                spec = read_spec(file)
                if first is not None and spec != first:
                    raise CacheError(
                        f"{path}: belongs to cache {spec.fingerprint}, {self.paths[0].name} to {first.fingerprint}: "
                        "parts of two models or two data sets must not mix; delete the folder and dump again"
                    )
                first = spec
                ids = read_ids(file)
                self.image_ids += ids
                self.places += [(number, row) for row in range(len(ids))]
                for name, collected in self._statistics.items():
                    collected.append(file[f"{STATISTICS}/{name}"][:])
        assert first is not None
        return first

    def __len__(self) -> int:
        return len(self.image_ids)

    def number(self, image_id: str) -> int:
        """Position of an image. Raises CacheError for an id that is not there."""
        if image_id not in self._number:
            raise CacheError(f"{self.folder}: has no image {image_id!r}")
        return self._number[image_id]

    def statistic(self, name: str) -> np.ndarray:
        """One of schema.PER_CLASS_STATISTICS over all images, (N,C)."""
        return np.concatenate(self._statistics[name])
