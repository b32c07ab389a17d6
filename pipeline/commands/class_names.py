"""Names for the classes of other programs' files, which number them."""

from __future__ import annotations

from pipeline.common.errors import ReadableError
from pipeline.common.labels import CLASS_SETS, class_set
from pipeline.common.own_classes import is_file_of_classes

# Taken for granted from the number of classes: the field's protocols. Nine or ten classes can be anybody's.
_USUAL = ("cityscapes-19", "synthia-16", "synthia-13")

CLASSES_HELP = (
    f"a class set ({', '.join(CLASS_SETS)}), a YAML file of one, or names with commas between them; "
    "default: by number, for 19 (Cityscapes), 16 and 13 (SYNTHIA); else class 0, class 1, …"
)


def names_of(text: str | None, count: int, what: str) -> tuple[str, ...]:
    """Return the names that the user gave (as `class_names_in` reads them), or else those usual for their number.

    ``what`` begins the number in messages ("the volumes have").

    Raises:
        ReadableError: their numbers differ.
    """
    if text is None:
        usual = [CLASS_SETS[known].names for known in _USUAL if len(CLASS_SETS[known].names) == count]
        return usual[0] if usual else tuple(f"class {number}" for number in range(count))
    names = class_names_in(text)
    if len(names) != count:
        raise ReadableError(f"{text} has {len(names)} classes, {what} {count}")
    return names


def class_names_in(text: str) -> tuple[str, ...]:
    """The names of a class set, of a file of one, or those in a text with commas between them.

    Raises ReadableError for a set that is unknown, and for a name that is empty or stands twice.
    """
    if text in CLASS_SETS or is_file_of_classes(text):
        try:
            return class_set(text).names
        except ValueError as error:
            raise ReadableError(str(error)) from None
    names = tuple(name.strip() for name in text.split(","))
    if len(names) == 1:
        raise ReadableError(f"there is no class set {text!r}; choose one of {', '.join(CLASS_SETS)}")
    if not all(names) or len(set(names)) < len(names):
        raise ReadableError(f"{text!r} has an empty name, or one twice")
    return names
