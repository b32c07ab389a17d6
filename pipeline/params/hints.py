"""Suggestions for names that are not known ("did you mean")."""

from __future__ import annotations

import difflib


def did_you_mean(word: str, known: list[str] | tuple[str, ...]) -> str:
    """A half sentence that names the known word nearest to this one; empty where none is near."""
    close = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f"; did you mean {close[0]!r}?" if close and close[0] != word else ""
