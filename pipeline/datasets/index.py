"""What ``prepare`` does with a split: every file is read once and checked, and the sound ones become a manifest."""

from __future__ import annotations

import operator
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import NamedTuple, TextIO

import numpy as np
from PIL import Image
from tqdm import tqdm

from pipeline.common.labels import UNKNOWN
from pipeline.common.tiling import Tiling
from pipeline.datasets.bands import AS_THEY_ARE, ImageReading
from pipeline.datasets.decoding import read_label
from pipeline.datasets.examine import Examined, examine
from pipeline.datasets.listing import Entry
from pipeline.datasets.loading import Crop, train_ids_problem
from pipeline.datasets.manifest import Manifest, Row, line_of
from pipeline.datasets.parallel import in_order
from pipeline.datasets.problems import Problem, raise_on, write_report
from pipeline.datasets.tile_rows import order_of_tiles, tile_rows

__all__ = ["Problem", "index_split", "raise_on", "shared_images", "write_report"]

_IN_FLIGHT = 8  # files per worker that may wait: enough that none is idle behind a slow neighbour


def index_split(
    entries: Iterable[Entry],
    table: np.ndarray,
    destination: Path | str,
    *,
    needs_labels: bool,
    crop: Crop | None,
    workers: int,
    progress: bool,
    read: Callable[[bytes], Image.Image] = read_label,
    reading: ImageReading = AS_THEY_ARE,
    tiling: Tiling | None = None,
    notes: Counter[str] | None = None,
) -> list[Problem]:
    """Write the manifest of a split, or return what is wrong with every bad file and writes none.

    ``entries`` must be sorted by id, or for ``tiling`` by ``order_of_tiles``; ``table`` is the (256,) id table and
    ``read`` decodes a label. Without ``needs_labels`` labels are neither opened nor written, also where entries have
    them: so a target's labels stay private. ``reading`` is how images are read; with ``tiling`` each tile of an image
    has a row. ``notes`` counts the images of which something is left out or converted. Memory does not grow with the
    number of files, but for one line per problem.
    """
    destination = Path(destination)
    destination.parent.mkdir(parents=True, exist_ok=True)
    temporary = destination.with_name(destination.name + ".part")
    look = partial(_look, table=table, crop=crop, needs_labels=needs_labels, read=read, reading=reading, tiling=tiling)
    length = operator.length_hint(entries) or None
    try:
        # Threads, not processes: Pillow and hashlib work outside the interpreter's lock, and a file is never copied.
        with ThreadPoolExecutor(workers) as pool, temporary.open("w", encoding="utf-8") as manifest:
            key = str if tiling is None else order_of_tiles
            results = in_order(pool, look, _with_double(entries, key), workers * _IN_FLIGHT)
            bar = tqdm(results, total=length, desc=destination.parent.name, unit=" images", disable=not progress)
            written = _write_rows(bar, manifest, partial(tile_rows, crop=crop, tiling=tiling))
        problems = written.problems
        if not written.rows and not problems:
            problems.append(Problem(str(destination), "the split has no images"))
        elif needs_labels and not problems:
            problems += _nothing_to_learn(written, table) or _train_ids(written, table)
        if notes is not None:
            notes.update(written.notes)
        if not problems:
            temporary.replace(destination)
    finally:
        temporary.unlink(missing_ok=True)
    return problems


class _Written(NamedTuple):
    rows: int
    problems: list[Problem]
    pixels_of_id: np.ndarray
    """(256,) of all labels."""
    first_label: str
    notes: Counter[str]


def _write_rows(results: Iterable[Examined], manifest: TextIO, rows_of: Callable[[Row], Iterable[Row]]) -> _Written:
    rows, problems, pixels_of_id, first_label = 0, list[Problem](), np.zeros(256, np.int64), ""
    notes = Counter[str]()
    for examined in results:
        problems += examined.problems
        notes.update(examined.notes)
        if examined.row is not None:
            rows += 1
            first_label = first_label or examined.row.label or ""
            manifest.writelines(map(line_of, rows_of(examined.row)))
        if examined.pixels_of_id is not None:
            pixels_of_id += examined.pixels_of_id
    return _Written(rows, problems, pixels_of_id, first_label, notes)


def _nothing_to_learn(written: _Written, table: np.ndarray) -> list[Problem]:
    """Labels that are all ignored: sound files, of which a network would learn nothing, or a score be of nothing."""
    if written.pixels_of_id[table < UNKNOWN].any():
        return []
    ids = ", ".join(map(str, np.flatnonzero(written.pixels_of_id)))
    others = f" (nor the {written.rows - 1} other labels of the split)" if written.rows > 1 else ""
    why = (
        f"holds no pixel of a class{others}; its ids are {ids}. Are these the layout's labels? Has a program"
        " saved them again, with the channels turned round or cut to 8 bits?"
    )
    return [Problem(written.first_label, why)]


def _train_ids(written: _Written, table: np.ndarray) -> list[Problem]:
    """Labels that are sound one by one, and together look like another numbering."""
    message = train_ids_problem(written.pixels_of_id, table, written.rows)
    return [] if message is None else [Problem(written.first_label, f"and {written.rows - 1} others: {message}")]


def shared_images(target: Manifest, evaluation: Manifest) -> list[Problem]:
    """Return the images of the target that are also in the evaluation set, by content: no fair score."""
    evaluated = {bytes.fromhex(row.image_hash): position for position, row in enumerate(evaluation)}
    problems = []
    for row in target:
        position = evaluated.get(bytes.fromhex(row.image_hash))
        if position is not None:
            same = evaluation[position].image
            message = f"is the same image as {same}, which the evaluation scores; take it out of one of the two splits"
            problems.append(Problem(row.image, message))
    return problems


def _with_double(entries: Iterable[Entry], key: Callable[[str], str]) -> Iterator[tuple[Entry, Entry | None]]:
    """Each entry with the one before it where both have the same id. Raises ValueError where ids are not sorted."""
    before: Entry | None = None
    for entry in entries:
        if before is not None and key(entry.id) < key(before.id):
            raise ValueError(f"entries must be sorted by id: {entry.id!r} follows {before.id!r}")
        yield entry, before if before is not None and before.id == entry.id else None
        before = entry


def _look(
    pair: tuple[Entry, Entry | None],
    *,
    table: np.ndarray,
    crop: Crop | None,
    needs_labels: bool,
    read: Callable[[bytes], Image.Image],
    reading: ImageReading,
    tiling: Tiling | None,
) -> Examined:
    entry, double = pair
    if double is None:
        return examine(entry, table, crop, needs_labels=needs_labels, read=read, reading=reading, tiling=tiling)
    if entry.image != double.image:
        return Examined(None, [Problem(str(entry.image), f"has the same id {entry.id!r} as {double.image}; keep one")])
    if needs_labels:
        return Examined(None, [Problem(str(entry.label), f"has the same id {entry.id!r} as {double.label}; keep one")])
    return Examined(None, [])  # one image with two labels, and labels are of no concern here
