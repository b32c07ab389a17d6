"""Class sets of one's own: names, colours and a foreground, from params.yaml or from a YAML file in data/classes/."""

from __future__ import annotations

import colorsys
import os
import re
import unicodedata
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pipeline.common.class_set import ClassSet
from pipeline.common.errors import did_you_mean

FOLDER = Path("data") / "classes"
"""Where files of class sets are: `prepare` and the stages that draw depend on the folder."""

Colour = tuple[int, int, int]
_KEYS = ("names", "colours", "foreground", "name")
_FEWEST, _MOST = 2, 254  # 254 and 255 of a label's 256 values are "unknown" and "ignored"
_LONGEST = 40
_BLACK: Colour = (0, 0, 0)
_GREY: Colour = (96, 96, 96)  # of a background: what is looked for is in colour
_BACKGROUNDS = ("background", "bg", "other", "others", "rest", "none", "nothing", "void", "clutter", "negative")
_BACKGROUND_PREFIXES = ("no ", "not ", "non-", "no-", "no_", "not_", "non_")
_GOLDEN = 0.618034
_LIGHTNESS = (0.62, 0.42, 0.76)
_APART = 120.0  # least distance in RGB between the colours of classes that follow each other


def is_file_of_classes(text: str) -> bool:
    """Return whether the text is a path of a YAML file rather than the name of a class set."""
    return text.lower().endswith((".yaml", ".yml"))


def file_problem(path: str) -> str | None:
    """Return why DVC would not notice a change of the file of a class set, or None."""
    normal = Path(os.path.normpath(path))
    if not normal.is_absolute() and normal.is_relative_to(FOLDER):
        return None
    return f"{path}: DVC looks for changes in {FOLDER}/ only; move the file there: classes: {FOLDER / normal.name}"


def read_class_set(path: Path | str, known: Mapping[str, Colour], taken: Sequence[str]) -> ClassSet:
    """Read a class set from a YAML file: a list of names, or a mapping as ``own_class_set`` takes it.

    Raises:
        ValueError: the file cannot be read, or does not hold a class set; the message begins with its path.
    """
    path = Path(path)
    try:
        content = _yaml(path)
        return own_class_set(content if isinstance(content, dict) else {"names": content}, known, taken, path.stem)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def own_class_set(
    classes: Mapping[str, Any], known: Mapping[str, Colour], taken: Sequence[str], title: str = "own"
) -> ClassSet:
    """Return the class set of a mapping with ``names`` and perhaps ``colours``, ``foreground`` and ``name``.

    ``known`` are the colours of published classes; what has no colour in either gets one that differs from its
    neighbours'. ``taken`` are names of class sets that it may not have.

    Raises:
        ValueError: names, colours or foreground are not of the right kind; says which, and what to write.
    """
    for key in classes:
        if key not in _KEYS:
            raise ValueError(f"{key!r} is not a key of a class set ({', '.join(_KEYS)}){did_you_mean(str(key), _KEYS)}")
    names = _names(classes.get("names"))
    title = classes.get("name", title)
    if not isinstance(title, str) or not title or title in taken:
        raise ValueError(f"name {title!r} is of a published class set, or not a text; choose another")
    colours = _given_colours(classes.get("colours") or {}, names)
    return ClassSet(title, names, palette_of(names, colours, known), _foreground(classes.get("foreground"), names))


def palette_of(names: Sequence[str], given: Mapping[str, Colour], known: Mapping[str, Colour]) -> tuple[Colour, ...]:
    """Return a colour for each name: given, else known, else grey for a background, else drawn; no two are equal.

    Drawn colours go round the circle of hues in steps of the golden ratio with three values of lightness. A colour that
    is taken, or near that of the class before or after, is passed over; the same names always get the same colours.
    """
    fixed = {name: colour for name, colour in known.items() if name in names and colour not in given.values()}
    background = next((name for name in names if _is_background(name)), None)
    if background is not None and _GREY not in (*fixed.values(), *given.values()):
        fixed.setdefault(background, _GREY)
    fixed |= given
    colours: list[Colour] = []
    step = 0
    for position, name in enumerate(names):
        near = [*colours[-1:], *(fixed[other] for other in names[position + 1 : position + 2] if other in fixed)]
        while name not in fixed:
            colour = _drawn(step)
            apart = _APART if step < 3 * _MOST else 0.0  # between two fixed colours there may be none so far away
            if colour not in (*colours, *fixed.values()) and all(_distance(colour, other) >= apart for other in near):
                fixed[name] = colour
            step += 1
        colours.append(fixed[name])
    return tuple(colours)


def _drawn(step: int) -> Colour:
    red, green, blue = colorsys.hls_to_rgb(step * _GOLDEN % 1, _LIGHTNESS[step % 3], 0.65)
    return round(255 * red), round(255 * green), round(255 * blue)


def _distance(one: Colour, other: Colour) -> float:
    return sum((here - there) ** 2 for here, there in zip(one, other, strict=True)) ** 0.5


def _names(names: Any) -> tuple[str, ...]:
    if not isinstance(names, list | tuple):
        raise ValueError("needs `names`, a list of classes, such as names: [background, crack]")
    if not _FEWEST <= len(names) <= _MOST:
        raise ValueError(f"has {len(names)} names; a class set has {_FEWEST} to {_MOST}")
    problems = [f"{name!r} {problem}" for name in names if (problem := name_problem(name)) is not None]
    if problems:
        raise ValueError(f"names: {'; '.join(problems)}")
    seen: dict[str, str] = {}
    for name in names:
        same = seen.setdefault(unicodedata.normalize("NFC", name).casefold(), name)
        if same is not name:
            raise ValueError(f"names: {same!r} and {name!r} are the same but for capitals; no class may be twice")
    return tuple(names)


def name_problem(name: Any) -> str | None:
    """Return why a class cannot have this name, or None."""
    if not isinstance(name, str):
        return "is not a text; put it in quotes"
    if not name or name != name.strip():
        return "is empty, or begins or ends with a space"
    if len(name) > _LONGEST:
        return f"is longer than {_LONGEST} characters, for which tables and legends have no room"
    if "," in name:
        return "has a comma, which parts names on the command line"
    if not name.isprintable():
        return "has a line break or another character that cannot be shown"
    return "means in class_map that a label is ignored; call it otherwise" if name.casefold() == "ignore" else None


def _given_colours(colours: Any, names: tuple[str, ...]) -> dict[str, Colour]:
    if isinstance(colours, list | tuple):
        if len(colours) != len(names):
            raise ValueError(f"colours: has {len(colours)} colours for {len(names)} names; or give them by name")
        colours = dict(zip(names, colours, strict=True))
    if not isinstance(colours, Mapping):
        raise ValueError("colours: is a list, or a mapping of names, such as {crack: [255, 0, 0]}")
    given: dict[str, Colour] = {}
    for name, value in colours.items():
        if name not in names:
            raise ValueError(f"colours: {name!r} is not one of the names{did_you_mean(str(name), names)}")
        colour = colour_of(value)
        if colour is None:
            raise ValueError(f'colours: {name}: {value!r} is not a colour; write [255, 0, 0] or "#ff0000", in quotes')
        if colour == _BLACK:
            raise ValueError(f"colours: {name}: black shows ignored pixels; choose another, such as [40, 40, 40]")
        twin = next((other for other, there in given.items() if there == colour), None)
        if twin is not None:
            raise ValueError(f"colours: {twin} and {name} have the same colour {list(colour)}")
        given[name] = colour
    return given


def colour_of(value: Any) -> Colour | None:
    """Return red, green, blue of ``[255, 0, 0]`` or ``"#ff0000"``; None for anything else."""
    if isinstance(value, str) and re.fullmatch(r"#[0-9a-fA-F]{6}", value):
        return int(value[1:3], 16), int(value[3:5], 16), int(value[5:7], 16)
    if isinstance(value, list | tuple) and len(value) == 3 and all(type(item) is int for item in value):
        red, green, blue = value
        return (red, green, blue) if min(value) >= 0 and max(value) <= 255 else None
    return None


def _foreground(given: Any, names: tuple[str, ...]) -> str | None:
    """The class whose IoU comes first: the one that is given, or the one of two that is not a background."""
    if given is not None:
        if given not in names:
            raise ValueError(f"foreground: {given!r} is not one of the names{did_you_mean(str(given), names)}")
        return str(given)
    others = [name for name in names if not _is_background(name)]
    return others[0] if len(names) == 2 and len(others) == 1 else None


def _is_background(name: str) -> bool:
    return name.casefold() in _BACKGROUNDS or name.casefold().startswith(_BACKGROUND_PREFIXES)


def _yaml(path: Path) -> Any:
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        return YAML(typ="safe").load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ValueError(f"cannot be read ({error.strerror})") from None
    except UnicodeDecodeError as error:
        raise ValueError(f"is not UTF-8 ({error}); save it as UTF-8") from None
    except YAMLError as error:
        raise ValueError(f"is not valid YAML: {' '.join(str(error).split())}") from None
