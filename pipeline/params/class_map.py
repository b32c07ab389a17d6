"""What ``class_map`` of the layout ``folder`` may be: by id, by colour, a list, or the name of a known table."""

from __future__ import annotations

from typing import Any

from pipeline.common.errors import did_you_mean
from pipeline.common.labels import CLASS_SETS
from pipeline.common.own_classes import colour_of

KNOWN_TABLES = (
    *CLASS_SETS, "gta5", "synthia", "synscapes", "cityscapes", "nthu", "bdd100k", "camvid-11", "carla-0.9.5",
    "carla-0.9.10", "carla-0.9.14",
)  # fmt: skip
"""Class sets and data sets whose ids a label may hold."""
_FORMS = "{0: background, 1: crack}, {'#ff0000': crack}, [background, crack], or a name such as cityscapes-19"


def checked_class_map(value: Any) -> Any:
    """Return the map as it is in the file; colours are written in small letters.

    Raises:
        ValueError: with what is wrong and what to write.
    """
    if value is None:
        raise ValueError(f"is empty; write {_FORMS} (YAML takes # for a comment: colours need quotes)")
    if isinstance(value, str):
        if value not in KNOWN_TABLES:
            hint = did_you_mean(value, KNOWN_TABLES)
            raise ValueError(f"{value!r} is not a class set or data set ({', '.join(KNOWN_TABLES)}){hint}")
        return value
    if isinstance(value, list | tuple):
        if not value or not all(isinstance(name, str) for name in value):
            raise ValueError("a list holds the names of the classes of the ids 0, 1, …; put numbers in quotes")
        return tuple(value)
    if not isinstance(value, dict):
        raise ValueError(f"is not a map of labels; write {_FORMS}")
    return _checked_pairs(value)


def named_in(class_map: Any) -> list[str]:
    """Return the names of classes in a map as it is in the file; a known table gives none of its own."""
    values = class_map.values() if isinstance(class_map, dict) else class_map if isinstance(class_map, list) else ()
    return [name for name in values if isinstance(name, str)]


def _checked_pairs(pairs: dict[Any, Any]) -> dict[int | str, str]:
    problems = [problem for key, name in pairs.items() for problem in (_key_problem(key), _name_problem(key, name))]
    if len({type(key) for key in pairs}) > 1:
        problems.append("has ids and colours; a label has one or the other")
    wrong = [problem for problem in problems if problem is not None]
    if wrong:
        raise ValueError("; ".join(wrong))
    lowered = {key.lower() if isinstance(key, str) else key: name for key, name in pairs.items()}
    if len(lowered) < len(pairs):
        raise ValueError("has a colour twice, in small letters and in capitals")
    return lowered


def _key_problem(key: Any) -> str | None:
    if isinstance(key, str):
        if colour_of(key) is not None:
            return None
        id_in_quotes = f"; for an id, leave the quotes out: {key}" if key.isdigit() else ""
        return f"{key!r} is not a colour such as '#804080'{id_in_quotes}"
    if type(key) is not int or not 0 <= key <= 255:
        return f"{key!r} is neither an id from 0 to 255 nor a colour in quotes such as '#804080'"
    return None


def _name_problem(key: Any, name: Any) -> str | None:
    return None if isinstance(name, str) else f"{key!r}: {name!r} is not the name of a class; write one, or ignore"
