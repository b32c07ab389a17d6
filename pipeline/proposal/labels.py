"""What values label files hold, and the class map that follows from them."""

# H/W pixels, 3 red, green, blue

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from pipeline.common.class_set import IGNORE
from pipeline.common.errors import ReadableError
from pipeline.common.labels import CITYSCAPES_19
from pipeline.datasets.entries import Entry

SAMPLE = 40
_MOST_VALUES = 64
_BINARY = {0, 255}
Value = int | str
"""An id, or a colour as ``#rrggbb``."""


class ClassMap(NamedTuple):
    """The classes of a labelled folder, and what the values in its labels mean."""

    names: tuple[str, ...]
    meaning: dict[Value, str]


def evenly(items: Sequence[Entry], most: int) -> list[Entry]:
    """Return up to so many items, spread over a sequence."""
    step = max(1.0, len(items) / most)
    return [items[int(number * step)] for number in range(min(most, len(items)))]


def values_in(files: Sequence[Entry]) -> Counter[Value]:
    """Count the pixels of each id, or of each colour, in a sample of label files.

    Raises:
        ReadableError: a file cannot be read, or its values are neither ids nor a few colours.
    """
    counts: Counter[Value] = Counter()
    for entry in evenly([entry for entry in files if entry.label is not None], SAMPLE):
        counts.update(_values_of(Path(str(entry.label))))
        if len(counts) > _MOST_VALUES:
            raise ReadableError(
                f"{entry.label}: labels hold more than {_MOST_VALUES} values; are they photographs, or resized or JPEG?"
            )
    return _as_ids(counts) if all(map(_is_grey, counts)) else counts


def _is_grey(value: Value) -> bool:
    return isinstance(value, int) or value[1:3] == value[3:5] == value[5:7]


def _as_ids(counts: Counter[Value]) -> Counter[Value]:
    """Ids that were saved as grey colours. One picture alone does not show it: a colour label may be all black."""
    ids: Counter[Value] = Counter()
    for value, count in counts.items():
        ids[value if isinstance(value, int) else int(value[1:3], 16)] += count
    return ids


def _values_of(path: Path) -> dict[Value, int]:
    try:
        with Image.open(path) as picture:
            pixels = np.asarray(picture)
            mode = picture.mode
    except (OSError, SyntaxError, ValueError) as error:
        raise ReadableError(f"{path}: is a label that cannot be read ({error})") from None
    if pixels.ndim == 3 and mode in ("RGB", "RGBA"):
        colours, counts = np.unique(pixels[..., :3].reshape(-1, 3), axis=0, return_counts=True)
        return {"#" + bytes(colour).hex(): int(count) for colour, count in zip(colours, counts, strict=True)}
    if pixels.ndim != 2:
        raise ReadableError(f"{path}: is a label in mode {mode}, neither ids nor colours")
    values, counts = np.unique(pixels, return_counts=True)
    return {int(value): int(count) for value, count in zip(values, counts, strict=True)}


def class_map_of(values: Counter[Value], names: Sequence[str] | None) -> ClassMap:
    """Return the classes of values in labels, named in rising order of id (or of colour).

    255 is ignored as everywhere in the field, unless 0 and 255 are all there is: a mask. Without names classes
    are called class-0, class-1 …

    Raises:
        ReadableError: there are more or fewer names than values.
    """
    kept = [value for value in sorted(values, key=str if _colours(values) else int)
            if value != IGNORE or set(values) == _BINARY]  # fmt: skip
    if len(kept) < 2:
        raise ReadableError(
            f"the labels hold {', '.join(map(str, values)) or 'nothing'}: two classes are needed at least"
        )
    if names is None:
        names = tuple(f"class-{number}" for number in range(len(kept)))
    if len(names) < len(kept):
        raise ReadableError(
            f"--classes has {len(names)} names, and the labels hold {len(kept)} values: {', '.join(map(str, kept))};"
            " name each, in this order (`ignore` for what is no class)"
        )
    if len(names) > len(kept):
        kept = _by_position(kept, names)
    meaning = dict(zip(kept, names, strict=True))
    if IGNORE in values and IGNORE not in meaning:
        meaning[IGNORE] = "ignore"
    return ClassMap(tuple(dict.fromkeys(name for name in names if name != "ignore")), meaning)


def _by_position(kept: list[Value], names: Sequence[str]) -> list[Value]:
    """The ids 0, 1, …, where rare classes are in no label of the sample."""
    if _colours(kept) or max(int(value) for value in kept) >= len(names):
        raise ReadableError(f"--classes has {len(names)} names, and the labels hold {', '.join(map(str, kept))}")
    return list(range(len(names)))


def _colours(values: Counter[Value] | list[Value]) -> bool:
    return any(isinstance(value, str) for value in values)


def are_cityscapes(names: Sequence[str]) -> bool:
    """Return whether all classes are among Cityscapes' 19."""
    return set(names) <= set(CITYSCAPES_19.names)
