"""The readable parts of a cache: for viewing it while a dump is writing it, or when a part is damaged.

Training and selection use ``CacheIndex``, which refuses a gap; this one names it.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np

from pipeline.cache.index import CacheIndex, read_values
from pipeline.cache.parts import open_part, read_ids, read_spec
from pipeline.cache.schema import STATISTICS, CacheError, CacheSpec

_KEPT_STATISTICS = ("pixel_count", "confidence_sum", "entropy_sum", "entropy_mean")


class _Part(NamedTuple):
    """What is kept of a part, so that opening again reads new parts only."""

    stamp: tuple[int, int]
    spec: CacheSpec
    ids: list[str]
    statistics: dict[str, np.ndarray]


class PartialIndex(CacheIndex):
    """Index of the parts that can be read now; positions of images change when parts appear between them.

    ``problems`` names every part that is damaged or of another cache, with the cause.

    Raises:
        CacheError: no part can be read.
    """

    def __init__(self, folder: Path, before: PartialIndex | None = None) -> None:
        self.problems: list[str] = []
        self._known = {} if before is None else before._parts
        self._parts: dict[str, _Part] = {}
        super().__init__(folder)

    @property
    def missing(self) -> int:
        """Number of images of the whole cache that are missing."""
        return self.spec.images - len(self)

    def stamp_of(self, path: Path) -> tuple[int, int]:
        """Return time and size of a part when it was read."""
        return self._parts[path.name].stamp

    def statistic(self, name: str) -> np.ndarray:
        """Return one of schema.ALL_STATISTICS of the images that are there."""
        if name in _KEPT_STATISTICS and name not in self._statistics:
            self._statistics[name] = np.concatenate([self._parts[path.name].statistics[name] for path in self.paths])
        return super().statistic(name)

    def _read_parts(self) -> CacheSpec:
        first: CacheSpec | None = None
        readable: list[Path] = []
        for path in self.paths:
            try:
                part = self._part(path)
            except CacheError as error:
                self.problems.append(str(error))
                continue
            if first is not None and part.spec != first:
                self.problems.append(f"{path}: belongs to another cache ({part.spec.called()}); it is left out")
                continue
            first = first or part.spec
            self._parts[path.name] = part
            self.image_ids += part.ids
            self.places += [(len(readable), row) for row in range(len(part.ids))]
            readable.append(path)
        self.paths = readable
        if first is None:
            raise CacheError("\n".join(self.problems))
        return first

    def _part(self, path: Path) -> _Part:
        try:
            state = path.stat()
        except OSError as error:
            raise CacheError(f"{path}: cannot be read ({error.strerror})") from None
        stamp = (state.st_mtime_ns, state.st_size)
        known = self._known.get(path.name)
        if known is not None and known.stamp == stamp:
            return known
        with open_part(path) as file:
            statistics = {name: read_values(file, f"{STATISTICS}/{name}") for name in _KEPT_STATISTICS}
            return _Part(stamp, read_spec(file), read_ids(file), statistics)
