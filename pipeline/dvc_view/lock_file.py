"""Reading beside a running DVC, which empties dvc.lock at the end of each stage and writes it again in pieces.

A piece may be valid YAML with half of the stages, so it is not enough that the file parses.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from pipeline.common.errors import ReadableError

T = TypeVar("T")

PATIENCE = 20.0
"""Seconds after which what was read last is returned, though dvc.lock changes all the time."""
_QUIET = 2.0
"""Seconds after which a file that nobody changes counts as finished, although it looks cut."""
_REST = 0.4
"""Seconds that a file has had when it counts as written to its end, though a piece may look whole."""
_PAUSE = 0.05


def read_steadily(lock: Path, read: Callable[[], T], patience: float = PATIENCE) -> tuple[T, bool]:
    """Return what ``read`` makes of a whole dvc.lock that stays the same meanwhile, and True.

    While DVC writes it, ``read`` is called again and again; after ``patience`` seconds its last result is returned, and
    False.

    Raises:
        ReadableError: of ``read``, if dvc.lock is not its cause, or if it has raised all the time.
    """
    end, seen, since, last = time.monotonic() + patience, _content(lock), time.monotonic(), list[T]()
    while True:
        while _is_young(lock) and time.monotonic() < end:
            time.sleep(_PAUSE)
        before, problem = _content(lock), None
        try:
            last = [read()]
        except ReadableError as error:
            problem = error
        if before != seen:
            seen, since = before, time.monotonic()
        steady = _content(lock) == before
        if steady and (_is_whole(before.text) or time.monotonic() - since > _QUIET):
            if problem is not None:
                raise problem
            return last[0], True
        if time.monotonic() > end:
            if problem is not None and not last:
                raise problem
            return last[0], False
        time.sleep(_PAUSE)


def _is_young(lock: Path) -> bool:
    try:
        return abs(time.time() - lock.stat().st_mtime) < _REST  # abs: clocks of file servers differ
    except FileNotFoundError:
        return False


class _Content(NamedTuple):
    time: int
    """A stage that has run again with the same result writes the same text, and was in pieces in between."""
    text: bytes | None


def _content(lock: Path) -> _Content:
    try:
        return _Content(lock.stat().st_mtime_ns, lock.read_bytes())
    except FileNotFoundError:
        return _Content(0, None)


def _is_whole(text: bytes | None) -> bool:
    """Return whether there is no file, or one that ends as DVC ends it and is YAML."""
    if text is None:
        return True
    if not text.endswith(b"\n"):
        return False
    try:
        return isinstance(parsed(text), dict)
    except (YAMLError, UnicodeDecodeError):
        return False


@lru_cache(maxsize=1)
def parsed(text: bytes) -> Any:
    """Return what YAML holds; the last one is kept, for of a long dvc.lock it takes a tenth of a second."""
    return YAML(typ="safe").load(text)
