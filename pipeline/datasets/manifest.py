"""A manifest: the files of one split as ``prepare`` read them, one JSON object a line, sorted by id.

Lines are parsed when asked for, so that a split of any length costs eight bytes an image.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from pipeline.datasets.problems import DataError

PREPARED = Path("data") / "prepared"
MANIFEST = "manifest.jsonl"
AGAIN = "run `dvc repro -f prepare`"
_CHUNK = 1 << 22  # bytes looked at in one go


def manifest_path(split: str) -> Path:
    """Return the path of a split's manifest."""
    return PREPARED / split / MANIFEST


class Row(NamedTuple):
    """One image and its label (None in a manifest that keeps labels private); hashes are of the files' bytes.

    An image that is a tile of a larger picture has windows (top, left, height, width) in the pixels of the files.
    """

    id: str
    image: str
    label: str | None
    image_hash: str
    label_hash: str | None
    image_bytes: int
    label_bytes: int | None
    height: int
    width: int
    image_box: list[int] | None = None
    """What is cut from the image's file; None: all of it, or the split's crop."""
    label_box: list[int] | None = None
    """The same of the label's file."""
    own: list[int] | None = None
    """The pixels to which no other tile is nearer: what an evaluation scores of the label."""


_WINDOWS = ("image_box", "label_box", "own")


def line_of(row: Row) -> str:
    """Return a row as the file has it."""
    fields = {name: value for name, value in row._asdict().items() if value is not None or name not in _WINDOWS}
    return json.dumps(fields, separators=(",", ":")) + "\n"


def content_hash(data: bytes) -> str:
    """Return BLAKE2b of the bytes, 16 bytes as hex."""
    return hashlib.blake2b(data, digest_size=16).hexdigest()


class Manifest:
    """The rows of a manifest by position; a copy in another process opens the file again."""

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        if not self.path.is_file():
            raise DataError(f"{self.path}: there is no such manifest; run `dvc repro prepare`")
        if self.path.stat().st_size == 0:
            raise DataError(f"{self.path}: the manifest is empty; {AGAIN}")
        self._bytes = np.memmap(self.path, dtype=np.uint8, mode="r")
        ends = [
            np.flatnonzero(self._bytes[start : start + _CHUNK] == ord("\n")) + start + 1
            for start in range(0, len(self._bytes), _CHUNK)
        ]
        self._starts = np.concatenate([[0], *ends])
        if self._starts[-1] != len(self._bytes):
            raise DataError(f"{self.path}: the last line breaks off; {AGAIN}")

    def __reduce__(self) -> tuple[type[Manifest], tuple[Path]]:
        return Manifest, (self.path,)  # else pickle would copy the whole file into every worker

    def __len__(self) -> int:
        return len(self._starts) - 1

    def __getitem__(self, position: int) -> Row:
        if not -len(self) <= position < len(self):
            raise IndexError(f"row {position} of {len(self)} in {self.path}")
        position %= len(self)
        line = self._bytes[self._starts[position] : self._starts[position + 1]].tobytes()
        try:
            return Row(**json.loads(line))
        except (ValueError, TypeError):
            raise DataError(f"{self.path}, line {position + 1}: is not a row of a manifest; {AGAIN}") from None

    def __iter__(self) -> Iterator[Row]:
        return (self[position] for position in range(len(self)))

    def ids(self) -> Iterator[str]:
        """Return the images' ids in order."""
        return (row.id for row in self)

    def index_of(self, identity: str) -> int:
        """Return the position of an image; raise DataError where the manifest has no such id."""
        low, high = 0, len(self)
        while low < high:  # rows are sorted by id
            middle = (low + high) // 2
            if self[middle].id < identity:
                low = middle + 1
            else:
                high = middle
        if low == len(self) or self[low].id != identity:
            nearest = self[min(low, len(self) - 1)].id
            raise DataError(f"{self.path}: has no image {identity!r}; the nearest id is {nearest!r}")
        return low
