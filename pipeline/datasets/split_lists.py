"""Split lists: text files of image ids, one a line, that begin with a sentence of provenance (data/lists/)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from pathlib import Path

from pipeline.common.files import write_text
from pipeline.datasets.pairing import folded
from pipeline.datasets.problems import DataError

_FILE = re.compile(r"(.+?\.(?:png|jpe?g|tiff?|bmp|webp))(?:[\s,;\"']|$)", re.IGNORECASE)
_COLUMN = re.compile(r"[\s,;]")
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")


def read_list(path: Path, ids: set[str], identity: Callable[[str], str]) -> set[str]:
    """Return the ids that a list names, all of them in ``ids``.

    A line holds an id, or a file name as the published lists have it (``identity`` makes the id of it), with folders in
    front or without; further columns (the label, its size) are passed over, and so are empty lines and lines that begin
    with #. Programs of Windows may have written it (a byte-order mark, UTF-16, backslashes).

    Raises:
        DataError: the file is missing, names no image, names one that is not in ``ids`` or one image in two ways.
    """
    lines = [line.strip() for line in _text(path).splitlines()]
    named = [line for line in lines if line and not line.startswith("#")]
    if not named:
        raise DataError(f"{path}: the split list names no image")
    known = _Known(path, ids, identity)
    id_of_line = {line: known.id_of(line) for line in named}
    missing = [line for line in named if id_of_line[line] is None]
    if missing:
        some = f"such as {min(ids)!r}" if ids else "none"
        raise DataError(
            f"{path}: {len(missing)} of {len(named)} lines name no image of the split, such as {missing[0]!r};"
            f" its ids are {some}"
        )
    _raise_on_one_in_two_ways(path, id_of_line)
    return {identity for identity in id_of_line.values() if identity is not None}


def _text(path: Path) -> str:
    try:
        data = path.read_bytes()
        return data.decode("utf-16" if data[:2] in _UTF_16 else "utf-8-sig")
    except OSError as error:
        raise DataError(f"{path}: the split list cannot be read ({error.strerror})") from None
    except UnicodeDecodeError:
        raise DataError(f"{path}: the split list is not a text file (UTF-8 or UTF-16)") from None


def _raise_on_one_in_two_ways(path: Path, id_of_line: dict[str, str | None]) -> None:
    """Lines such as day/1.png and night/1.png, where the split has one image 1: the list is of another split."""
    column_of: dict[str | None, str] = {}
    for line, identity in id_of_line.items():
        column = _names_in(line)[0]
        other = column_of.setdefault(identity, column)
        if other != column:
            raise DataError(f"{path}: {other!r} and {column!r} would both name the image {identity!r} of the split")


class _Known:
    """The ids of a split, by what a list may call them."""

    def __init__(self, path: Path, ids: set[str], identity: Callable[[str], str]) -> None:
        self._path, self._ids, self._identity = path, ids, identity

    def id_of(self, line: str) -> str | None:
        """Return the id that a line names, or None; raise DataError where it may name several."""
        if line in self._ids:
            return line
        names = _names_in(line)
        identity = next((one for name in names if (one := self._by_tail(name)) is not None), None)
        return identity or self._by_name(names[0])

    def _exact(self, text: str) -> str | None:
        return next((one for one in (text, self._identity(text)) if one in self._ids), None)

    def _by_tail(self, text: str) -> str | None:
        """The id whose path the text ends with, however many folders stand before it."""
        return next((one for tail in _tails(text) if (one := self._exact(tail)) is not None), None)

    def _by_name(self, text: str) -> str | None:
        """The id that is equal in all but folders, letter case, Unicode form or zeros in front."""
        for tail in _tails(text):
            keys = (folded(tail), folded(self._identity(tail)))
            identities = sorted(set().union(*(self._others.get(key, set()) for key in keys)))
            if len(identities) > 1:
                raise DataError(
                    f"{self._path}: {text!r} may name {identities[0]!r} or {identities[1]!r}; say the folder, too"
                )
            if identities:
                return identities[0]
        return None

    @cached_property
    def _others(self) -> dict[str, set[str]]:
        others: dict[str, set[str]] = {}
        for identity in self._ids:
            name = identity.rpartition("/")[2]
            for key in (identity, name, *([str(int(name))] if name.isdecimal() else [])):
                others.setdefault(folded(key), set()).add(identity)
        return others


def _tails(text: str) -> Iterator[str]:
    parts = text.split("/")
    return ("/".join(parts[start:]) for start in range(len(parts)))


def _names_in(line: str) -> list[str]:
    """The image's name in a line: up to the first ending of a picture; without one, all of it or its first column."""
    line = line.replace("\\", "/").strip("\"'")
    file = _FILE.match(line)
    if file is not None:
        return [file[1]]
    first, *rest = _COLUMN.split(line, maxsplit=1)
    return [first] if rest and "/" in rest[0] else [line, first]


def write_list(path: Path, provenance: str, ids: Sequence[str]) -> None:
    """Write a list that read_list reads."""
    head = "".join(f"# {line}\n" for line in provenance.splitlines())
    write_text(path, head + "".join(f"{identity}\n" for identity in ids))
