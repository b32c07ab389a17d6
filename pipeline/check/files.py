"""A look at some files of each split, as ``prepare`` looks at all of them: seconds, whatever the size of a data set."""

# H/W pixels

from __future__ import annotations

import operator
from collections.abc import Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import NamedTuple

import numpy as np

from pipeline.check.problems import splits_of
from pipeline.common.labels import ClassSet
from pipeline.common.tiling import tile_count
from pipeline.datasets.decoding import LabelReader
from pipeline.datasets.entries import Entry, entries, image_reading, label_reader, label_table
from pipeline.datasets.examine import Examined, examine
from pipeline.datasets.manifest import Row
from pipeline.datasets.problems import DataError
from pipeline.params import AnySplit, Data, DigitsSplit, GeneratedSplit

SAMPLE = 20
"""Entries of a split that are opened."""
_THREADS = 4
_STRETCHED = 1.25
"""GTA5 into 512x1024 is 1.10, SYNTHIA 1.19: what papers do is not worth a word."""
_NEARLY_EMPTY = 0.01
_NAMED = 3


class Look(NamedTuple):
    """What a look at the files shows."""

    problems: list[str]
    """What ``prepare`` will refuse."""
    notes: list[str]
    """What it will take, and is perhaps not meant."""


class _Sample(NamedTuple):
    name: str
    split: AnySplit
    looked_at: list[tuple[Entry, Examined]]
    whole: bool
    """All entries of the split are in the sample."""


def look_at_files(data: Data, classes: ClassSet, apart_from: Collection[str] = ()) -> Look:
    """Open up to SAMPLE entries of each split, evenly spread over their sorted ids.

    Splits whose folders are wrong are passed over: ``path_problems`` has them; and so are those of ``apart_from``.
    """
    splits = [(name, split) for name, split in splits_of(data) if name not in apart_from]
    samples = [sample for name, split in splits if (sample := _sample(name, split, classes)) is not None]
    problems = [
        f"data.{sample.name}: {problem}"
        for sample in samples
        for problem in dict.fromkeys(problem for _, examined in sample.looked_at for problem in examined.problems)
    ]
    notes = [note for sample in samples for note in _notes(sample, classes, data)]
    return Look(problems, notes + _same_images(samples))


def _sample(name: str, split: AnySplit, classes: ClassSet) -> _Sample | None:
    if isinstance(split, GeneratedSplit | DigitsSplit):
        return None
    try:
        listing = entries(split)
        length = operator.length_hint(listing)
        chosen = list(_evenly(listing, length))
    except (DataError, OSError):
        return None
    table, read = label_table(split, classes), label_reader(split)
    with ThreadPoolExecutor(_THREADS) as pool:
        look = partial(_look, table=table, split=split, read=read, labels=name != "target")
        return _Sample(name, split, list(zip(chosen, pool.map(look, chosen), strict=True)), len(chosen) == length)


def _evenly(listing: Iterator[Entry], length: int) -> Iterator[Entry]:
    step = max(1, length / SAMPLE)
    chosen = {int(number * step) for number in range(SAMPLE)}
    return (entry for position, entry in enumerate(listing) if position in chosen)


def _look(entry: Entry, *, table: np.ndarray, split: AnySplit, read: LabelReader, labels: bool) -> Examined:
    needs_labels = labels or (entry.label is not None and entry.image.exists())
    return examine(
        entry,
        table,
        split.crop,
        needs_labels=needs_labels,
        read=read,
        reading=image_reading(split),
        tiling=split.tiling,
    )


def _rows(sample: _Sample) -> list[Row]:
    return [examined.row for _, examined in sample.looked_at if examined.row is not None]


def _notes(sample: _Sample, classes: ClassSet, data: Data) -> Iterator[str]:
    yield from _tiles(sample)
    stretched = _stretch(sample, sample.split.size or data.size, own=sample.split.size is not None)
    if stretched is not None:
        yield stretched
    counted = [examined for _, examined in sample.looked_at if examined.row and examined.pixels_of_id is not None]
    if not counted:
        return
    table = label_table(sample.split, classes)
    yield from _nearly_empty(sample.name, counted, table, len(classes))
    pixels_of_id = np.sum(np.stack([np.asarray(examined.pixels_of_id) for examined in counted]), axis=0)
    absent = _absent(pixels_of_id, table, classes)
    if absent:
        of = "its" if sample.whole else f"{len(counted)} sampled"
        yield f"data.{sample.name}: none of {of} labels holds {', '.join(absent)}, which its ids could mean"


def _absent(pixels_of_id: np.ndarray, table: np.ndarray, classes: ClassSet) -> list[str]:
    """Return the classes to which some id leads, and no pixel."""
    possible, present = set(table.tolist()), set(table[pixels_of_id > 0].tolist())
    return [name for number, name in enumerate(classes.names) if number in possible - present]


def _stretch(sample: _Sample, size: tuple[int, int], *, own: bool) -> str | None:
    """Return a note on the image whose shape the working size changes most."""
    height, width = size
    worst, note = _STRETCHED, None
    for row in _rows(sample):
        high, wide = sample.split.tile or _used_size(row, sample.split)
        ratio = (wide / high) / (width / height)
        factor = max(ratio, 1 / ratio)
        if factor > worst:
            worst = factor
            param = f"data.{sample.name}.size" if own else "data.size"
            what = row.image if sample.split.tile is None else f"a tile of {row.image}"
            cut = f"cut by data.{sample.name}.{'crop' if sample.split.tile is None else 'tile'}"
            note = (
                f"data.{sample.name}: {what} is {high} high and {wide} wide, and [{height}, {width}] stretches it"
                f" by {factor:.1f}; change {param} to its shape, or {cut}"
            )
    return note


def _used_size(row: Row, split: AnySplit) -> tuple[int, int]:
    return (row.height, row.width) if split.crop is None else split.crop[2:]


def _tiles(sample: _Sample) -> Iterator[str]:
    """Yield how many tiles the pictures give, where they are cut into tiles."""
    tiling, rows = sample.split.tiling, _rows(sample)
    if tiling is not None and rows:
        count = sum(tile_count(_used_size(row, sample.split), tiling) for row in rows)
        pictures = f"{'all' if sample.whole else 'a sample of'} {len(rows)} pictures"
        yield f"data.{sample.name}: {pictures} in {count} tiles of {tiling.in_words()}"


def _nearly_empty(name: str, counted: list[Examined], table: np.ndarray, classes: int) -> Iterator[str]:
    """Yield a note on labels of which less than a hundredth is of a class; the rest is ignored."""
    empty = [
        str(examined.row.label)
        for examined in counted
        if examined.row is not None and examined.pixels_of_id is not None
        if examined.pixels_of_id[table < classes].sum() < _NEARLY_EMPTY * examined.pixels_of_id.sum()
    ]
    if empty:
        names = f"{', '.join(empty[:_NAMED])}{', …' if len(empty) > _NAMED else ''}"
        yield f"data.{name}: of {len(empty)} of {len(counted)} labels less than 1 % is of a class ({names})"


def _same_images(samples: list[_Sample]) -> list[str]:
    """Return a note on an image that is in source and evaluation; `prepare` refuses one in target and evaluation."""
    image_of = {row.image_hash: row.image for sample in samples if sample.name == "source" for row in _rows(sample)}
    evaluated = [row for sample in samples if sample.name == "evaluation" for row in _rows(sample)]
    both = [row.image for row in evaluated if row.image_hash in image_of]
    return (
        [f"data.evaluation: {both[0]} is in data.source, too: networks are scored on what they learn"] if both else []
    )
