"""The part of the source that no training sees: on it the verdict on a round scores its network (data.hold_back).

Neighbouring frames of a drive show nearly the same, so whole sequences are held back where ids tell sequences apart,
and otherwise one block of neighbours: a network is never scored on what it has almost seen in training.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from itertools import groupby
from pathlib import Path
from shutil import copyfile

import numpy as np

from pipeline.common.files import whole_file
from pipeline.common.tiling import picture_of
from pipeline.datasets.manifest import MANIFEST, Manifest, Row, line_of

LARGEST = 200
"""Images held back at most: more would not make a mean IoU much more certain."""
SMALLEST_SOURCE = 20
"""Images of a source from which none is held back, for each one is needed."""
_FRAME_NUMBER = re.compile(r"\d+$")
_IDS_NAMED = 4


def held_back(ids: Sequence[str], share: float, seed: int, *, frames: bool = True) -> list[int]:
    """Return the rising positions of the images to hold back, of sorted ids.

    A sequence is the images whose ids are the same without their last number. In an order drawn by the seed, each
    sequence that brings the held-back images closer to the share is held back whole. Where every sequence is too long
    for that (more than twice the share), it is the end of one: of the only one, or of one drawn by the seed. Of tiles
    it is whole pictures, whose tiles share pixels; but where the last one is more than a third of all tiles, or of more
    than LARGEST, it is its last tiles.

    Without ``frames`` each image is a sequence of its own: digits, whose archive may be sorted by class.
    """
    if share <= 0 or len(ids) < SMALLEST_SOURCE:
        return []
    count = min(LARGEST, max(1, round(share * len(ids))))
    pictures = [picture_of(identity) for identity in ids]
    sequences = _runs_of([sequence_of(picture) for picture in pictures] if frames else pictures)
    drawn = [sequences[index] for index in np.random.default_rng(seed).permutation(len(sequences))]
    chosen = _closest(drawn, count) if len(drawn) > 1 else []
    return sorted(chosen or _end_of(drawn[0], pictures, count))


def _end_of(sequence: list[int], pictures: Sequence[str], count: int) -> list[int]:
    """Return about ``count`` positions at the end of a sequence; of tiles whole pictures, if they are small enough."""
    names = [pictures[position] for position in sequence]
    *_, last = runs = [[sequence[position] for position in run] for run in _runs_of(names)]
    small_enough = 1 < len(last) <= min(LARGEST, len(pictures) // 3)
    return _closest(reversed(runs), count) or (last if small_enough else sequence[-count:])


def _runs_of(names: Sequence[str]) -> list[list[int]]:
    """Return the positions of neighbours that have the same name."""
    return [list(group) for _, group in groupby(range(len(names)), key=names.__getitem__)]


def _closest(groups: Iterable[list[int]], count: int) -> list[int]:
    """Return the positions of the groups of which each in turn brings the number of positions closer to ``count``."""
    chosen = list[int]()
    for group in groups:
        held = len(chosen) + len(group)
        if held <= LARGEST and abs(held - count) < count - len(chosen):
            chosen += group
    return chosen


def sequence_of(identity: str) -> str:
    """Return an id without the frame's number at its end: ``0016E5_`` of ``0016E5_07959`` and of its tiles."""
    return _FRAME_NUMBER.sub("", picture_of(identity))


def in_words(held_ids: Sequence[str], images: int) -> str:
    """Return a sentence on what is held back of a source of so many images."""
    first = ", ".join(held_ids[:_IDS_NAMED])
    rest = "" if len(held_ids) <= _IDS_NAMED else f" … {held_ids[-1]}"
    return f"held back {len(held_ids)} of {images} source images for the verdict: ids {first}{rest}"


def divide(source: Path, held: Path, positions: Sequence[int]) -> None:
    """Move the rows at some positions from the manifest in ``source`` to one in ``held``.

    Files that `prepare` itself has written into ``source`` move with their rows; a file that a kept row names too (all
    images of a digit share their label, all tiles of a picture both files) is copied.
    """
    rows, moving = Manifest(source / MANIFEST), set(positions)
    kept_rows = (row for position, row in enumerate(rows) if position not in moving)
    kept = {file for row in kept_rows for file in (row.label, row.image if row.image_box else None)}
    with ExitStack() as stack:
        files = [
            stack.enter_context(stack.enter_context(whole_file(folder / MANIFEST)).open("w", encoding="utf-8"))
            for folder in (source, held)
        ]
        for position, row in enumerate(rows):
            moves = position in moving
            files[moves].write(line_of(_moved(row, source, held, kept) if moves else row))


def _moved(row: Row, source: Path, held: Path, kept: set[str | None]) -> Row:
    image = _move(row.image, source, held, copy=row.image in kept)
    label = None if row.label is None else _move(row.label, source, held, copy=row.label in kept)
    return row._replace(image=image, label=label)


def _move(file: str, source: Path, held: Path, *, copy: bool) -> str:
    """Move or copy a file from below ``source`` and return its path; others, which are the user's, stay."""
    if not Path(file).is_relative_to(source):
        return file
    there = held / Path(file).relative_to(source)
    there.parent.mkdir(parents=True, exist_ok=True)
    if copy:
        if not there.exists():
            copyfile(file, there)
    elif Path(file).exists():  # else a row before has moved it: held-back images may share a label, too
        Path(file).replace(there)
    return str(there)
