"""One run as its files are now: its cache, selection and patches, and the maps of its images."""

# C class, H/W pixels

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
from pipeline.common.errors import ReadableError, counted
from pipeline.common.files import fingerprint, read_json
from pipeline.common.labels import IGNORE, ClassSet, classes_named
from pipeline.evaluation.results import Result, read_result
from pipeline.health.record import HEALTH, Record, read_health
from pipeline.methods.pseudo_labels import label_pixels
from pipeline.methods.registry import method_named
from pipeline.methods.selection_file import Selection, read_selection, selection_fingerprint
from pipeline.patches.file import PATCHES, PatchFile
from pipeline.viewer.files import RUNS, CacheFolder, cache_folder, listing
from pipeline.viewer.inputs import Inputs

_IMAGES_IN_MEMORY = 4
_MODEL = re.compile(r"runs/(?P<run>[^/]+)/model\.pt\b")
"""The beginning of a dumped cache's origin; that of an imported cache differs."""


class Maps(NamedTuple):
    """Maps of an image; entropy in nats. ``pseudo_HW``: what the method's thresholds keep, None without a selection."""

    label_HW: np.ndarray
    confidence_HW: np.ndarray
    entropy_HW: np.ndarray
    pseudo_HW: np.ndarray | None


class _Readers(NamedTuple):
    """An index with its readers, replaced together: a request sees all old ones or all new ones.

    There are three readers, so that planes, which are stored, never wait for maps, which are computed, and neither
    waits for a pass over all images.
    """

    images: PartialIndex
    maps: CacheReader
    planes: CacheReader
    passes: CacheReader


class RunView:
    """A run's files, and what is wrong with them in ``problems``. Keeps the maps of a few images in memory.

    As a source of layers it shows the target: what the network with which the run began predicted in the cache.
    """

    split = "target"

    def __init__(self, name: str, kind: str, init: str | None) -> None:
        self.name, self.kind, self.init = name, kind, init
        self.chosen_classes: ClassSet | None = None
        """What params.yaml names now; the cache may be of others."""
        self.problems: list[str] = []
        self.cache: CacheFolder | None = None
        self.selection: Selection | None = None
        self.details: dict[str, Any] = {}
        """The content of selection.json."""
        self.result: Result | None = None
        """What ``evaluate`` wrote, if it is of the present cache and selection."""
        self.health: Record | None = None
        """The verdict without labels on the round, if it is of the present cache and selection."""
        self._outdated = self.evaluation_outdated = False
        self._readers: _Readers | None = None
        self._plane_lock, self._pass_lock = threading.Lock(), threading.Lock()
        self._patches: dict[str, list[Box]] = {}
        self._maps: OrderedDict[str, Maps] = OrderedDict()
        self._seen: object = None
        self._lock = threading.RLock()

    # --------------------------------------------------------------------------------------------------- what is there

    def refresh(self) -> None:
        """Read again the files that have changed."""
        with self._lock:
            self.cache = cache_folder(self.name)
            seen = (
                self.cache,
                listing(self.cache.folder, "part-*.h5") if self.cache else None,
                listing(RUNS / self.name / "selection", "selection.json"),
                listing(RUNS / self.name / "patches", PATCHES),
                *(listing(RUNS / self.name, name) for name in ("metrics.json", "per_class.json", HEALTH)),
            )
            if seen != self._seen:
                self._seen = seen
                self.problems = []
                self._maps.clear()
                self._readers = self._open_cache()  # until then, requests go on with the old ones
                self.selection, self.details = self._read_selection() or (None, {})
                self._patches = self._read_patches()
                self.result = self._read_result()
                self.health = self._read_health()

    def _open_cache(self) -> _Readers | None:
        if self.cache is None:
            self.problems.append(self._without_a_cache())
            return None
        try:
            index = PartialIndex(self.cache.folder, self._readers.images if self._readers else None)
        except CacheError as error:
            waits = self.cache.in_work and not any(self.cache.folder.glob("part-*.h5"))
            self.problems.append("No part of the cache is finished yet; this page fills up." if waits else str(error))
            return None
        self.problems += index.problems
        if index.missing and not self.cache.running:
            there = f"{self.cache.folder}: {len(index):,} of {counted(index.spec.images, 'image')} are there"
            stopped = "; the dump was stopped. `dvc repro` goes on from here." if self.cache.in_work else "."
            self.problems.append(there + stopped)
        return _Readers(index, *(CacheReader(self.cache.folder, threads=1, index=index) for _ in range(3)))

    def _without_a_cache(self) -> str:
        if self.kind in ("initial", "oracle"):
            return f"{self.name} is an initial model, and caches belong to the rounds that begin with it."
        return f"{self.name} has no cache yet; `dvc repro` runs its dump."

    def _read_selection(self) -> tuple[Selection, dict[str, Any]] | None:
        self._outdated = self.cache is not None and self.cache.in_work
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
        spec = self._readers.images.spec if self._readers else None
        if spec is not None:
            self._outdated |= details.get("cache", spec.fingerprint) != spec.fingerprint
        if self._outdated:
            self._report_outdated(path)
            return None
        if spec is not None and list(spec.class_names) != list(selection.class_names):
            self.problems.append(f"{path}: is about other classes than the cache; run `dvc repro` again")
            return None
        return selection, details

    def _read_patches(self) -> dict[str, list[Box]]:
        path = RUNS / self.name / "patches" / PATCHES
        boxes: dict[str, list[Box]] = {}
        if not path.exists():
            return boxes
        if self._outdated:
            self._report_outdated(path)
            return boxes
        try:
            file = PatchFile(path)
            if self._differs(file.selection):
                self._report_outdated(path, "selection")
                return boxes
            for image_id, box in file.places():
                boxes.setdefault(image_id, []).append(box)
        except (OSError, KeyError, ValueError) as error:
            self.problems.append(f"{path}: cannot be read ({error}); run `dvc repro` again")
        return boxes

    def _read_result(self) -> Result | None:
        self.evaluation_outdated = False
        try:
            result = read_result(RUNS / self.name, self.kind)
        except ReadableError as error:
            self.problems.append(str(error))
            return None
        self.evaluation_outdated = result is not None and self.is_outdated(result)
        if not self.evaluation_outdated:
            return result
        self._report_outdated(RUNS / self.name / "metrics.json", "cache" if self._outdated else "selection")
        return None

    def _read_health(self) -> Record | None:
        """Return the verdict on the round; None while the round runs again.

        health.json does not record its selection: it counts as outdated with the evaluation that followed it.
        """
        try:
            health = read_health(RUNS / self.name)
        except ReadableError as error:
            self.problems.append(str(error))
            return None
        if health is not None and self._outdated:
            self._report_outdated(RUNS / self.name / HEALTH)
        return None if self._outdated or self.evaluation_outdated else health

    def is_outdated(self, result: Result) -> bool:
        """Return whether an evaluation is of an earlier cache or selection: the round is running again.

        A result that does not record its selection, as in older files, counts as current.
        """
        if self._outdated or self._readers is None:
            return self._outdated
        return self._differs(result.selection, cache=self._readers.images.spec.fingerprint)

    def _differs(self, recorded: str, **more: str) -> bool:
        """Return whether something records another selection than the present one."""
        if not recorded:
            return False
        if self.selection is None:  # not written yet, or not readable, which is a problem already
            return not (RUNS / self.name / "selection" / "selection.json").exists()
        return recorded != selection_fingerprint(self.selection, **more)

    def _report_outdated(self, path: Path, what: str = "cache") -> None:
        """Note a file of a later stage that a round which runs again has not written anew yet."""
        self.problems.append(f"{path}: is of the {what} before this one; it is not shown")

    @property
    def stamp(self) -> str:
        """A text that changes with the run's files; part of every picture's address."""
        return fingerprint(seen=self._seen)[:10]

    @property
    def index(self) -> PartialIndex:
        """The images that are there.

        Raises:
            ReadableError: if there are none, with the reason.
        """
        return self._require_readers().images

    @property
    def has_images(self) -> bool:
        """Whether a part of the cache can be read."""
        return self._readers is not None

    @property
    def has_patches(self) -> bool:
        """Whether there are patches of the present selection."""
        return bool(self._patches)

    @property
    def classes(self) -> ClassSet:
        """Names and colours of the cache's classes: params.yaml's colours where it names the same classes."""
        names, chosen = self.index.spec.class_names, self.chosen_classes
        return chosen if chosen is not None and chosen.names == names else classes_named("cache", names)

    @property
    def network(self) -> str:
        """The run whose network filled the cache: that which the round begins with, not the one it trains."""
        origin = self.index.spec.origin
        model = _MODEL.match(origin)
        return model["run"] if model else origin

    @property
    def image_ids(self) -> list[str]:
        """The images that are there."""
        return self.index.image_ids

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the cache's images."""
        return self.index.spec.size

    def number(self, image_id: str) -> int:
        """Return the position of an image; raises CacheError if it is not there."""
        return self.index.number(image_id)

    def truth(self, image_id: str, inputs: Inputs) -> np.ndarray | None:
        """Return the target's label (H,W) uint8, 255 = ignored, at the cache's size; None without one."""
        return inputs.label(image_id, self.index.spec)

    def no_truth(self, inputs: Inputs) -> str:
        """Return why there are no labels; empty where there are."""
        return inputs.labels_problem(self.index.spec)

    def part_stamps(self) -> list[tuple[Path, object]]:
        """Return the parts of the cache that can be read, each with a stamp that changes with it."""
        return [(path, self.index.stamp_of(path)) for path in self.index.paths]

    # ---------------------------------------------------------------------------------------------------- of one image

    def patches(self, image_id: str) -> list[Box]:
        """Return the windows that were cut from an image, as patches.h5 lists them."""
        return self._patches.get(image_id, [])

    def chosen(self, image_id: str) -> str:
        """Return ``selected`` or ``not selected``, ``easy`` or ``hard``; empty without a selection."""
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
        """Return the network's class of each pixel, (H,W) uint8."""
        with self._plane_lock:
            readers = self._require_readers()
            return readers.planes.label(readers.images.number(image_id))

    def entropy_byte(self, image_id: str) -> np.ndarray:
        """Return the stored entropy, (H,W) uint8: 255 is ln C."""
        with self._plane_lock:
            readers = self._require_readers()
            return readers.planes.entropy_byte(readers.images.number(image_id))

    def probabilities(self, image_id: str, row: int, column: int) -> np.ndarray:
        """Return the class distribution of one pixel, (C,) float32.

        Raises:
            ReadableError: if the pixel is outside the image.
        """
        box = Box(row, column, 1, 1)
        if not box.lies_in(self.index.spec.size):
            height, width = self.index.spec.size
            raise ReadableError(f"pixel ({column}, {row}) is outside the image of {width}x{height}")
        with self._lock:
            readers = self._require_readers()
            prob_C11 = readers.maps.probability(readers.images.number(image_id), box)
        distribution_C: np.ndarray = prob_C11[:, 0, 0].numpy()
        return distribution_C

    def maps(self, image_id: str) -> Maps:
        """Return the exact maps of an image; those of the last few images stay in memory."""
        with self._lock:
            if image_id not in self._maps:
                self._maps[image_id] = self._computed(self._require_readers().maps, image_id)
            self._maps.move_to_end(image_id)
            while len(self._maps) > _IMAGES_IN_MEMORY:
                self._maps.popitem(last=False)
            return self._maps[image_id]

    def pseudo_label(self, image_id: str) -> np.ndarray:
        """Return the pseudo-label (H,W) uint8 by the method's thresholds; IGNORE everywhere in a hard image.

        Raises:
            ReadableError: if nothing has been selected.
        """
        return self._known(self.maps(image_id).pseudo_HW)

    def computed_pseudo_label(self, image_id: str) -> np.ndarray:
        """Return the same without keeping it in memory, for passes over all images."""
        with self._pass_lock:
            return self._known(self._computed(self._require_readers().passes, image_id).pseudo_HW)

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

    def _require_readers(self) -> _Readers:
        readers = self._readers
        if readers is None:
            raise ReadableError(self.problems[0] if self.problems else f"{self.name} has no cache")
        return readers
