"""Names for the classes of what another program made, which knows them by number."""

from __future__ import annotations

from pipeline.common.errors import ReadableError
from pipeline.common.labels import CLASS_SETS

# Taken for granted from the number of classes: the field's protocols. Nine or ten classes can be anybody's.
_USUAL = ("cityscapes-19", "synthia-16", "synthia-13")

CLASSES_HELP = (
    f"a class set ({', '.join(CLASS_SETS)}), or names with commas between them; default: by number, for 19 "
    "(Cityscapes), 16 and 13 (SYNTHIA); else class 0, class 1, …"
)


def names_of(told: str | None, count: int, what: str) -> tuple[str, ...]:
    """The names that the user told (as `told_names` reads them), or else those that go with the number of classes.

    ``what`` begins the number in messages ("the volumes have"). Raises ReadableError where their numbers differ.
    """
    if told is None:
        usual = [CLASS_SETS[known].names for known in _USUAL if len(CLASS_SETS[known].names) == count]
        return usual[0] if usual else tuple(f"class {number}" for number in range(count))
    names = told_names(told)
    if len(names) != count:
        raise ReadableError(f"{told} has {len(names)} classes, {what} {count}")
    return names


def told_names(told: str) -> tuple[str, ...]:
    """The names of a class set, or those in a text with commas between them.

    Raises ReadableError for a set that is unknown, and for a name that is empty or stands twice.
    """
    if told in CLASS_SETS:
        return CLASS_SETS[told].names
    names = tuple(name.strip() for name in told.split(","))
    if len(names) == 1:
        raise ReadableError(f"there is no class set {told!r}; choose one of {', '.join(CLASS_SETS)}")
    if not all(names) or len(set(names)) < len(names):
        raise ReadableError(f"{told!r} has an empty name, or one twice")
    return names
