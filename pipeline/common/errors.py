"""The errors whose messages are written for people: programs print them without a traceback; and parts of messages."""

from __future__ import annotations

import difflib
from collections.abc import Sequence


class ReadableError(Exception):
    """What went wrong, which file it is about, and what to do."""


def did_you_mean(word: str, known: Sequence[str]) -> str:
    """Return a half sentence that names the known word nearest to this one; empty where none is near."""
    close = difflib.get_close_matches(word, known, n=1, cutoff=0.6)
    return f"; did you mean {close[0]!r}?" if close and close[0] != word else ""


def counted(count: int, noun: str, plural: str | None = None) -> str:
    """Return a number with its noun: ``1 image``, ``2,975 images``; ``plural`` where that is not noun and s."""
    return f"{count:,} {noun if count == 1 else plural or f'{noun}s'}"
