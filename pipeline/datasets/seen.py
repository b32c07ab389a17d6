"""What the files of a split were when ``prepare`` read them: a file that has changed since is never trained on.

The manifest has size and content hash of each file. The times are in ``.roundabout/prepared/``, where DVC does not hash
them: the same data copied elsewhere have other times, and must not train anything again. Where a time is missing or
another, the content decides.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from pipeline.common.files import file_hash, whole_file
from pipeline.datasets.manifest import AGAIN, PREPARED, Manifest, Row, content_hash
from pipeline.datasets.problems import DataError

TIMES = Path(".roundabout") / "prepared"
UNKNOWN_TIME = 0
_TIMES_OF_FILE = np.dtype([("image_hash", "S8"), ("image", "<i8"), ("label_hash", "S8"), ("label", "<i8")])
"""The hashes' beginnings say whether the times belong to a manifest's row: DVC may have put an older manifest there."""


class SeenFile(NamedTuple):
    """A file as ``prepare`` read it; the time of its last change is in nanoseconds, or UNKNOWN_TIME."""

    path: str
    bytes: int
    hash: str
    time: int = UNKNOWN_TIME


class Seen:
    """The images and labels of a manifest as they were; each file whose time differs is compared once."""

    def __init__(self, manifest: Manifest) -> None:
        self._manifest, self._times = manifest, times_of(manifest)
        self._compared = {kind: np.zeros(len(manifest), np.int64) for kind in ("image", "label")}
        self._compared_pictures = defaultdict[str, int](int)  # of tiles, by path: large pictures are few

    def __reduce__(self) -> tuple[type[Seen], tuple[Manifest]]:
        return Seen, (self._manifest,)  # else pickle would copy the times into every worker

    def image(self, position: int, row: Row) -> bytes:
        """Return the bytes of a row's image; raise DataError if they are not what ``prepare`` read."""
        return self._unchanged(self.image_file(position, row), self._compared["image"], position)

    def label(self, position: int, row: Row) -> bytes:
        """Return the bytes of a row's label; raise DataError if they are not what ``prepare`` read."""
        return self._unchanged(self.label_file(position, row), self._compared["label"], position)

    def image_file(self, position: int, row: Row) -> SeenFile:
        """Return what ``prepare`` saw of a row's image."""
        return seen_image(row, self._times, position)

    def label_file(self, position: int, row: Row) -> SeenFile:
        """Return what ``prepare`` saw of a row's label."""
        return seen_label(row, self._times, position)

    def time_of_picture(self, file: SeenFile) -> int:
        """Return the time of a picture's last change, of which tiles are read; its content is compared once a time.

        Raises:
            DataError: it is not what ``prepare`` read.
        """
        try:
            now = os.stat(file.path)  # noqa: PTH116 - asked for each tile
            _require_size(file, now.st_size)
            if now.st_mtime_ns not in (file.time, self._compared_pictures[file.path]):
                _require_content(file, file_hash(Path(file.path)))
                self._compared_pictures[file.path] = now.st_mtime_ns
        except OSError as error:
            raise _unreadable(file, error) from None
        return now.st_mtime_ns

    def picture(self, file: SeenFile) -> bytes:
        """Return the bytes of a picture of which tiles are read; raise DataError as time_of_picture does."""
        return self._unchanged(file, self._compared_pictures, file.path)

    def _unchanged(self, file: SeenFile, compared: Any, key: int | str) -> bytes:
        """Read a file; ``compared`` (by ``key``, the time at which its content was compared) spares a second hash."""
        try:
            with open(file.path, "rb", buffering=0) as stream:  # noqa: PTH123 - as fast as Path.read_bytes
                time = os.fstat(stream.fileno()).st_mtime_ns
                data = stream.readall()
        except OSError as error:
            raise _unreadable(file, error) from None
        _require_size(file, len(data))
        if time not in (file.time, compared[key]):
            _require_content(file, content_hash(data))
            compared[key] = time
        return data


def _unreadable(file: SeenFile, error: OSError) -> DataError:
    return DataError(f"{file.path}: cannot be read any more ({error.strerror}); restore it or {AGAIN}")


def _require_size(file: SeenFile, size: int) -> None:
    if size != file.bytes:
        raise DataError(f"{file.path}: changed since prepare ({file.bytes} bytes then, {size} now); {AGAIN}")


def _require_content(file: SeenFile, content: str) -> None:
    if content != file.hash:
        raise DataError(f"{file.path}: changed since prepare (as many bytes, another content); {AGAIN}")


def seen_image(row: Row, times: np.ndarray | None, position: int) -> SeenFile:
    """Return what ``prepare`` saw of a row's image."""
    return SeenFile(row.image, row.image_bytes, row.image_hash, _time(times, position, "image", row.image_hash))


def seen_label(row: Row, times: np.ndarray | None, position: int) -> SeenFile:
    """Return what ``prepare`` saw of a row's label.

    Raises:
        DataError: the row has no label.
    """
    if row.label is None or row.label_bytes is None or row.label_hash is None:
        raise DataError(f"the manifest has no label for {row.id!r}; {AGAIN}")
    return SeenFile(row.label, row.label_bytes, row.label_hash, _time(times, position, "label", row.label_hash))


def times_of(manifest: Manifest) -> np.ndarray | None:
    """Return the times of a manifest's files (a memory map with a row for each of its rows), None without any."""
    path = _times_path(manifest.path)
    try:
        times: np.ndarray = np.load(path, mmap_mode="r").view(np.ndarray)
    except (OSError, ValueError):
        return None
    return times if times.dtype == _TIMES_OF_FILE and len(times) == len(manifest) else None


def write_times(manifest: Manifest, began: int) -> None:
    """Write the times of a manifest's files, which ``prepare`` has read since ``began`` (nanoseconds).

    A file that may have been written after it was read is read again; if it is another now, its time stays unknown, and
    whoever opens it compares. Files in data/prepared/ are DVC's: it notices their changes, and may set their times.
    """
    time_of = lru_cache(maxsize=4)(partial(_time_of, began=began))  # rows that are tiles share files with neighbours
    times = np.fromiter((_times_of_row(row, time_of) for row in manifest), _TIMES_OF_FILE, len(manifest))
    with whole_file(_times_path(manifest.path)) as temporary, temporary.open("wb") as file:
        np.save(file, times)


def _times_of_row(row: Row, time_of: Callable[[SeenFile], int]) -> tuple[bytes, int, bytes, int]:
    image = row.image_hash[:8].encode(), time_of(seen_image(row, None, 0))
    if row.label is None:
        return *image, b"", UNKNOWN_TIME
    return *image, str(row.label_hash)[:8].encode(), time_of(seen_label(row, None, 0))


def _time_of(file: SeenFile, began: int) -> int:
    if file.path.startswith(f"{PREPARED}{os.sep}"):
        return UNKNOWN_TIME
    try:
        time = os.stat(file.path).st_mtime_ns  # noqa: PTH116 - of 100,000 files Path takes a second more
        same = time < began or file_hash(Path(file.path)) == file.hash
    except OSError:
        return UNKNOWN_TIME
    return time if same else UNKNOWN_TIME


def _time(times: np.ndarray | None, position: int, kind: str, hash_: str) -> int:
    if times is None or times[position][f"{kind}_hash"] != hash_[:8].encode():
        return UNKNOWN_TIME
    return int(times[position][kind])


def _times_path(manifest: Path) -> Path:
    return TIMES / f"{manifest.parent.name}.npy"
