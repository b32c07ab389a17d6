"""What a class set is, and how ids in label files become its indices and colours.

Inside Roundabout every label is an index into one class set (0 … C-1) or IGNORE.
"""

# H/W pixels, 3 red, green, blue

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

IGNORE = 255
"""The label of a pixel that takes no part in training, selection or evaluation."""

UNKNOWN = 254
"""The value of an id table for an id that the data set does not define: such a label is refused, never trained on."""


@dataclass(frozen=True)
class ClassSet:
    """An ordered list of classes with the colours in which people know them."""

    name: str
    names: tuple[str, ...]
    palette: tuple[tuple[int, int, int], ...]
    foreground: str | None = None
    """The class that is looked for, of which tables show the IoU first; None where all count alike."""

    @property
    def foreground_metric(self) -> str | None:
        """The name of the foreground's IoU among the metrics."""
        return None if self.foreground is None else f"IoU {self.foreground}"

    def __len__(self) -> int:
        return len(self.names)

    def index(self, class_name: str) -> int:
        """Return the position of a class; raise ValueError that lists the names where there is none."""
        if class_name not in self.names:
            raise ValueError(f"class {class_name!r} is not in the class set {self.name}: {', '.join(self.names)}")
        return self.names.index(class_name)

    def subset(self, name: str, class_names: tuple[str, ...]) -> ClassSet:
        """Return a set of these classes, in that order, with the colours they have here."""
        positions = [self.index(class_name) for class_name in class_names]
        return ClassSet(name, class_names, tuple(self.palette[position] for position in positions))


def id_table(names_by_id: Mapping[int, str], classes: ClassSet) -> np.ndarray:
    """Return a (256,) uint8 table from a file's label ids to the class set's indices.

    ``names_by_id`` gives a class name or ``"ignore"`` per id; names of classes outside the set become IGNORE, ids that
    are not in the dict become UNKNOWN.
    """
    table = np.full(256, UNKNOWN, dtype=np.uint8)
    for identity, name in names_by_id.items():
        table[identity] = classes.names.index(name) if name in classes.names else IGNORE
    return table


def colour_label(label_HW: np.ndarray, classes: ClassSet) -> np.ndarray:
    """Return the label in the palette's colours, (H,W,3) uint8; ignored pixels are black."""
    table = np.zeros((256, 3), dtype=np.uint8)
    table[: len(classes)] = classes.palette
    colour_HW3: np.ndarray = table[label_HW]
    return colour_HW3
