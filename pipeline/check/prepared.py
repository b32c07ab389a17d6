"""Whether the files of the data sets are still those that ``prepare`` read: names, sizes and times."""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import NamedTuple

from pipeline.check.problems import splits_of
from pipeline.common.files import file_hash
from pipeline.datasets.entries import Entry, entries
from pipeline.datasets.manifest import AGAIN, Manifest, manifest_path
from pipeline.datasets.opening import HELD_BACK
from pipeline.datasets.problems import DataError
from pipeline.datasets.seen import SeenFile, seen_image, seen_label, times_of
from pipeline.params import AnySplit, Data, DigitsSplit, GeneratedSplit

_NAMED = 3
_MOST_COMPARED = 1 << 28
"""Bytes of files with another time whose content is compared; `prepare` looks at all of it."""
_MANIFESTS = {
    "source": ("source", HELD_BACK),
    "target": ("target", "target-labelled"),
    "evaluation": ("evaluation",),
}


class Changes(NamedTuple):
    """Names of files that are not as ``prepare`` read them."""

    new: list[str]
    removed: list[str]
    changed: list[str]
    kept: int
    """How many files are still there, changed or not."""

    def in_words(self) -> str:
        """Return the counts and up to three names: ``1 new, 1 changed (a.png, b.png)``."""
        kinds = {"new": self.new, "removed": self.removed, "changed": self.changed}
        counts = ", ".join(f"{len(names)} {kind}" for kind, names in kinds.items() if names)
        names = [name for names in kinds.values() for name in names]
        return f"{counts} ({', '.join(names[:_NAMED])}{', …' if len(names) > _NAMED else ''})"


def changed_files(data: Data) -> list[str]:
    """Return a line for each split of whose files some are new, removed or changed since ``prepare``.

    One look at the names and times of all files; a file whose time alone differs is read and compared. Splits that
    ``prepare`` draws or unpacks are DVC's to watch, and so is a split that params.yaml has moved elsewhere.
    """
    lines = []
    for name, split in splits_of(data):
        changes = None if isinstance(split, GeneratedSplit | DigitsSplit) else changes_of(name, split)
        if changes is not None and changes.kept and any(changes[:3]):
            lines.append(f"data.{name}: {changes.in_words()}: {AGAIN}")
    return lines


def changes_of(name: str, split: AnySplit) -> Changes | None:
    """Return what differs between a split's files and its manifests; None where it is not prepared, or is not there."""
    paths = [manifest_path(part) for part in _MANIFESTS[name]]
    try:
        manifests = [Manifest(path) for path in paths if path.is_file()]
        return _compared(entries(split), manifests) if manifests else None
    except (DataError, OSError):
        return None  # what is wrong with the folders is said elsewhere; a broken manifest is prepare's to write again


def _compared(files: Iterator[Entry], manifests: list[Manifest]) -> Changes:
    # Beside the names nothing is kept: rows are compared as they are read
    image_of = {str(path): str(entry.image) for entry in files for path in (entry.image, entry.label) if path}
    compared, removed, changed, compare = set[str](), set[str](), set[str](), _Compare()
    for file in chain.from_iterable(map(_seen_files, manifests)):
        if file.path in compared:
            continue
        if file.path not in image_of:
            removed.add(file.path)
            continue
        compared.add(file.path)
        state = compare(file)
        if state is not None:
            (removed if state == "removed" else changed).add(file.path)
    new = [path for path in image_of if path not in compared and _both_exist(path, image_of[path])]
    return Changes(new, sorted(removed), sorted(changed), len(compared))


def _both_exist(path: str, image: str) -> bool:
    """Whether prepare would take a file: a label without its image is listed, and passed over in a target."""
    return Path(path).exists() and (path == image or Path(image).exists())


def _seen_files(manifest: Manifest) -> Iterator[SeenFile]:
    times = times_of(manifest)
    for position, row in enumerate(manifest):
        yield seen_image(row, times, position)
        if row.label is not None:
            yield seen_label(row, times, position)


class _Compare:
    """Says whether a file is removed or changed; reads files whose time alone differs, up to a number of bytes."""

    def __init__(self) -> None:
        self._left = _MOST_COMPARED

    def __call__(self, file: SeenFile) -> str | None:
        try:
            now = os.stat(file.path)  # noqa: PTH116 - of 100,000 files Path takes a second more
        except OSError:
            return "removed"
        if now.st_size != file.bytes:
            return "changed"
        if now.st_mtime_ns == file.time or not file.time or self._left < now.st_size:
            return None
        self._left -= now.st_size
        return None if file_hash(Path(file.path)) == file.hash else "changed"
