"""Words to choose from on the command line."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import Any


def choices(name: str, words: Iterable[str]) -> Any:
    """Return an enumeration of the words, for an option's type: typer lists them and refuses any other."""
    return StrEnum(name, {word: word for word in words})
