"""One run as it lies on the disk now: its cache, selection and patches, and the maps of its images.

# C class, H/W pixels
"""

from __future__ import annotations

import json
import re
import threading
from collections import OrderedDict
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from pipeline.cache.partial_index import PartialIndex
from pipeline.cache.reader import CacheReader
from pipeline.cache.schema import CacheError
from pipeline.common.box import Box
from pipeline.common.errors import ReadableError
from pipeline.common.files import fingerprint, read_json
from pipeline.common.labels import IGNORE, ClassSet
from pipeline.evaluation.results import Result, read_result
from pipeline.methods.pseudo_labels import label_pixels
from pipeline.methods.registry import method_named
from pipeline.methods.selection_file import Selection, read_selection, selection_fingerprint
from pipeline.patches.file import PATCHES, PatchFile
from pipeline.viewer.files import RUNS, CacheFolder, cache_folder
from pipeline.viewer.palette import classes_of

_IMAGES_IN_MEMORY = 4
_MODEL = re.compile(r"runs/(?P<run>[^/]+)/model\.pt\b")
"""How the origin of a dumped cache begins; that of an imported one is in other words."""


class Maps(NamedTuple):
    """Of a whole image; entropy in nats. ``pseudo_HW``: what the method's thresholds keep, None without a selection."""

    label_HW: np.ndarray
    confidence_HW: np.ndarray
    entropy_HW: np.ndarray
    pseudo_HW: np.ndarray | None


class _Opened(NamedTuple):
    """An index with its readers, put in place together: a request sees those of before, or these.

    They are readers of their own, so that planes, which are stored, never wait for maps, which are computed, and
    neither waits for a pass over all images.
    """

    images: PartialIndex
    maps: CacheReader
    planes: CacheReader
    passes: CacheReader


class OpenRun:
    """Reads what is there, and says in words what is not. ``refresh`` looks again; memory holds a few images."""

    def __init__(self, name: str, kind: str, init: str | None) -> None:
        self.name, self.kind, self.init = name, kind, init
        self.problems: list[str] = []
        self.cache: CacheFolder | None = None
        self.selection: Selection | None = None
        self.details: dict[str, Any] = {}
        """selection.json as it is."""
        self.result: Result | None = None
        """What ``evaluate`` said, where it is of the cache and selection that there are now."""
        self._superseded = False
        self._opened: _Opened | None = None
        self._plane_lock, self._pass_lock = threading.Lock(), threading.Lock()
        self._patches: dict[str, list[Box]] = {}
        self._maps: OrderedDict[str, Maps] = OrderedDict()
        self._seen: object = None
        self._lock = threading.RLock()

    # --------------------------------------------------------------------------------------------------- what is there

    def refresh(self) -> None:
        """Looks at the files again; what has not changed is not read again."""
        with self._lock:
            self.cache = cache_folder(self.name)
            seen = (
                self.cache,
                _listing(self.cache.folder, "part-*.h5") if self.cache else None,
                _listing(RUNS / self.name / "selection", "selection.json"),
                _listing(RUNS / self.name / "patches", PATCHES),
                *(_listing(RUNS / self.name, name) for name in ("metrics.json", "per_class.json")),
            )
            if seen != self._seen:
                self._seen = seen
                self.problems = []
                self._maps.clear()
                self._opened = self._open_cache()  # until then, requests go on with what was open
                self.selection, self.details = self._read_selection() or (None, {})
                self._patches = self._read_patches()
                self.result = self._read_result()

    def _open_cache(self) -> _Opened | None:
        if self.cache is None:
            self.problems.append(self._without_a_cache())
            return None
        try:
            index = PartialIndex(self.cache.folder, self._opened.images if self._opened else None)
        except CacheError as error:
            waits = self.cache.in_work and not any(self.cache.folder.glob("part-*.h5"))
            self.problems.append("No part of the cache is finished yet; this page fills up." if waits else str(error))
            return None
        self.problems += index.problems
        if index.missing and not self.cache.running:
            there = f"{self.cache.folder}: {len(index):,} of {index.spec.images:,} images are there"
            stopped = "; the dump was stopped. `dvc repro` goes on from here." if self.cache.in_work else "."
            self.problems.append(there + stopped)
        return _Opened(index, *(CacheReader(self.cache.folder, threads=1, index=index) for _ in range(3)))

    def _without_a_cache(self) -> str:
        if self.kind in ("start", "oracle"):
            return f"{self.name} is a start: caches belong to rounds. A round's cache is its initial network's answer."
        return f"{self.name} has no cache yet; `dvc repro` runs its dump."

    def _read_selection(self) -> tuple[Selection, dict[str, Any]] | None:
        self._superseded = self.cache is not None and self.cache.in_work
        path = RUNS / self.name / "selection" / "selection.json"
        if not path.exists():
            return None
        try:
            selection, details = read_selection(path), read_json(path)
            method_named(selection.method)
        except ReadableError as error:
            self.problems.append(f"{path}: {error}")
            return None
        except (OSError, ValueError, KeyError, TypeError, json.JSONDecodeError) as error:
            self.problems.append(f"{path}: cannot be read ({error!r}); run `dvc repro` again")
            return None
        spec = self._opened.images.spec if self._opened else None
        if spec is not None:
            self._superseded |= details.get("cache", spec.fingerprint) != spec.fingerprint
        if self._superseded:
            self._say_superseded(path)
            return None
        if spec is not None and list(spec.class_names) != list(selection.class_names):
            self.problems.append(f"{path}: is about other classes than the cache; run `dvc repro` again")
            return None
        return selection, details

    def _read_patches(self) -> dict[str, list[Box]]:
        path = RUNS / self.name / "patches" / PATCHES
        found: dict[str, list[Box]] = {}
        if not path.exists():
            return found
        if self._superseded:
            self._say_superseded(path)
            return found
        try:
            file = PatchFile(path)
            if self._differs(file.selection):
                self._say_superseded(path, "selection")
                return found
            for image_id, box in file.places():
                found.setdefault(image_id, []).append(box)
        except (OSError, KeyError, ValueError) as error:
            self.problems.append(f"{path}: cannot be read ({error}); run `dvc repro` again")
        return found

    def _read_result(self) -> Result | None:
        try:
            found = read_result(RUNS / self.name, self.kind)
        except ReadableError as error:
            self.problems.append(str(error))
            return None
        if found is None or not self.is_before(found):
            return found
        self._say_superseded(RUNS / self.name / "metrics.json", "cache" if self._superseded else "selection")
        return None

    def is_before(self, result: Result) -> bool:
        """Whether an evaluation is of a cache or selection before those that there are: the round is on its way again.

        What does not say of which it is, as older files do not, is held for current.
        """
        if self._superseded or self._opened is None:
            return self._superseded
        return self._differs(result.selection, cache=self._opened.images.spec.fingerprint)

    def _differs(self, made_of: str, **more: str) -> bool:
        """Whether something is of another selection than that which there is."""
        if not made_of:
            return False
        if self.selection is None:  # not yet again, unless it cannot be read, which has been said
            return not (RUNS / self.name / "selection" / "selection.json").exists()
        return made_of != selection_fingerprint(self.selection, **more)

    def _say_superseded(self, path: Path, what: str = "cache") -> None:
        """While a round runs again, later stages' files are of the cache and selection before, until they are new."""
        self.problems.append(f"{path}: is of the {what} before this one; it is not shown")

    @property
    def stamp(self) -> str:
        """Changes whenever something of the run does; part of every picture's address."""
        return fingerprint(seen=self._seen)[:10]

    @property
    def index(self) -> PartialIndex:
        """The images that are there. Raises ReadableError that says why there are none."""
        return self._there().images

    @property
    def has_cache(self) -> bool:
        return self._opened is not None

    @property
    def has_patches(self) -> bool:
        return bool(self._patches)

    @property
    def classes(self) -> ClassSet:
        return classes_of(self.index.spec.class_names)

    @property
    def network(self) -> str:
        """Whose answers the cache holds: a round's is of the network that it begins with, not of the one it trains."""
        origin = self.index.spec.origin
        model = _MODEL.match(origin)
        return model["run"] if model else origin

    def classes_differ(self, other: OpenRun) -> str:
        """Why the classes of two caches cannot be compared, in words; empty where they can."""
        if self.index.spec.class_names == other.index.spec.class_names:
            return ""
        return f"{self.name} and {other.name} have other classes: they cannot be compared"

    def part_stamps(self) -> list[tuple[Path, object]]:
        """The cache's parts that can be read, with what changes when they do."""
        return [(path, self.index.stamp_of(path)) for path in self.index.paths]

    # ---------------------------------------------------------------------------------------------------- of one image

    def patches(self, image_id: str) -> list[Box]:
        """The windows that were cut from an image, as they lie in patches.h5."""
        return self._patches.get(image_id, [])

    def chosen(self, image_id: str) -> str:
        """``selected`` or ``not selected``, ``easy`` or ``hard``; empty without a selection."""
        if self.selection is None:
            return ""
        inside = image_id in self._chosen_ids()
        return method_named(self.selection.method).sides[0 if inside else 1]

    def _chosen_ids(self) -> frozenset[str]:
        assert self.selection is not None
        if getattr(self, "_chosen_of", None) is not self.selection:
            self._chosen_of, self._chosen = self.selection, frozenset(self.selection.images)
        return self._chosen

    def label(self, image_id: str) -> np.ndarray:
        """The network's class of each pixel, (H,W) uint8."""
        with self._plane_lock:
            opened = self._there()
            return opened.planes.label(opened.images.number(image_id))

    def entropy_byte(self, image_id: str) -> np.ndarray:
        """The stored entropy, (H,W) uint8: 255 is ln C."""
        with self._plane_lock:
            opened = self._there()
            return opened.planes.entropy_byte(opened.images.number(image_id))

    def probabilities(self, image_id: str, row: int, column: int) -> np.ndarray:
        """The class distribution of one pixel, (C,) float32. Raises ReadableError for a pixel outside the image."""
        box = Box(row, column, 1, 1)
        if not box.lies_in(self.index.spec.size):
            height, width = self.index.spec.size
            raise ReadableError(f"pixel ({column}, {row}) lies outside the image of {width}x{height}")
        with self._lock:
            opened = self._there()
            prob_C11 = opened.maps.probability(opened.images.number(image_id), box)
        distribution_C: np.ndarray = prob_C11[:, 0, 0].numpy()
        return distribution_C

    def maps(self, image_id: str) -> Maps:
        """The exact maps of an image; those of the last few images are kept."""
        with self._lock:
            if image_id not in self._maps:
                self._maps[image_id] = self._computed(self._there().maps, image_id)
            self._maps.move_to_end(image_id)
            while len(self._maps) > _IMAGES_IN_MEMORY:
                self._maps.popitem(last=False)
            return self._maps[image_id]

    def pseudo_label(self, image_id: str) -> np.ndarray:
        """What the method's thresholds keep of an image; IGNORE everywhere in an image held for hard.

        Raises ReadableError without a selection.
        """
        return self._known(self.maps(image_id).pseudo_HW)

    def computed_pseudo_label(self, image_id: str) -> np.ndarray:
        """The same without a place in memory, for passes over all images."""
        with self._pass_lock:
            return self._known(self._computed(self._there().passes, image_id).pseudo_HW)

    def _known(self, pseudo_HW: np.ndarray | None) -> np.ndarray:
        if pseudo_HW is None:
            raise ReadableError(f"{self.name}: nothing has been selected yet")
        return pseudo_HW

    def _computed(self, reader: CacheReader, image_id: str) -> Maps:
        selection = self.selection
        needs_volume = selection is not None and method_named(selection.method).needs_volume
        pixels = reader.pixels(reader.index.number(image_id), volume=needs_volume)
        pseudo_HW = None
        if selection is not None:
            pseudo_HW = label_pixels(pixels, selection)
            if image_id in selection.hard:
                pseudo_HW = np.full_like(pseudo_HW, IGNORE)
        return Maps(pixels.label_HW.numpy(), pixels.confidence_HW.numpy(), pixels.entropy_HW.numpy(), pseudo_HW)

    def _there(self) -> _Opened:
        opened = self._opened
        if opened is None:
            raise ReadableError(self.problems[0] if self.problems else f"{self.name} has no cache")
        return opened


def _listing(folder: Path, pattern: str) -> list[tuple[str, int, int]]:
    """Names, times and sizes of some files, to see whether anything has changed."""
    found = []
    for path in sorted(folder.glob(pattern)):
        try:
            state = path.stat()
        except OSError:
            continue
        found.append((path.name, state.st_mtime_ns, state.st_size))
    return found
