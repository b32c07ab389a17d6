"""Names for the classes of what another program made, which knows them by number."""

from __future__ import annotations

from pipeline.errors import ReadableError
from pipeline.labels import CLASS_SETS


def names_of(class_set: str | None, count: int, what: str) -> tuple[str, ...]:
    """The names of a class set, or without one those of the only set with so many classes, or else numbers.

    ``what`` begins the number in messages ("the volumes have"). Raises ReadableError where the set is unknown or has
    another number of classes.
    """
    if class_set is None:
        fitting = {known.names for known in CLASS_SETS.values() if len(known.names) == count}
        return fitting.pop() if len(fitting) == 1 else tuple(f"class {number}" for number in range(count))
    if class_set not in CLASS_SETS:
        raise ReadableError(f"there is no class set {class_set!r}; choose one of {', '.join(CLASS_SETS)}")
    names = CLASS_SETS[class_set].names
    if len(names) != count:
        raise ReadableError(f"{class_set} has {len(names)} classes, {what} {count}")
    return names
