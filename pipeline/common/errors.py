"""The errors whose messages are written for people: programs print them without a traceback."""

from __future__ import annotations

import difflib
from collections.abc import Sequence


class ReadableError(Exception):
    """What went wrong, which file it is about, and what to do."""


def did_you_mean(word: str, known: Sequence[str]) -> str:
    """Return a half sentence that names the known word nearest to this one; empty where none is near."""
    close = difflib.get_close_matches(word, known, n=1, cutoff=0.6)
    return f"; did you mean {close[0]!r}?" if close and close[0] != word else ""
