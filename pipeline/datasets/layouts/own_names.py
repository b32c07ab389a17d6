"""How one's own files are named: what an image's name and its label's name have in common is their id."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fnmatch import fnmatchcase
from functools import partial
from typing import NamedTuple

from pipeline.datasets.listing import IMAGE_SUFFIXES, Naming, without_suffix
from pipeline.datasets.walking import pass_over


class Endings(NamedTuple):
    """What names end in: with a suffix (``_rgb.png``), or before any suffix (``_rgb``); None is any picture."""

    image: str | None = None
    label: str | None = None

    def naming(self) -> Naming:
        """Return how names become ids: without their ending."""
        return Naming(
            partial(identity_of, ending=self.image), identity_of_label=partial(identity_of, ending=self.label)
        )


ANY_ENDING = Endings()


def ends_with(name: str, ending: str) -> bool:
    """Return whether a file's name has the ending, in either case."""
    stem = name if "." in ending else without_suffix(name)
    return stem.lower().endswith(ending.lower())


def identity_of(name: str, ending: str | None) -> str:
    """Return the id of a file: its path without the ending, or without the suffix where there is none."""
    if ending is None or not ends_with(name, ending):
        return without_suffix(name)
    stem = name if "." in ending else without_suffix(name)
    return stem[: len(stem) - len(ending)]


def suffixes(ending: str | None) -> tuple[str, ...]:
    """Return what names of pictures end in, in small letters: those with the ending, and those that are left out."""
    return IMAGE_SUFFIXES if ending is None or "." not in ending else (*IMAGE_SUFFIXES, ending.lower())


def with_ending(names: Sequence[str], ending: str | None, other: str | None) -> list[str]:
    """Return the names that have an ending; without one, those that have not the ``other``.

    ``other`` is the ending of what else is in the folder, where images and labels are in one.
    """
    if ending is not None:
        kept = [name for name in names if ends_with(name, ending)]
        pass_over(f"picture that does not end in {ending}", 0 if other is not None else len(names) - len(kept))
        return kept
    return [name for name in names if other is None or not ends_with(name, other)]


def included(names: Sequence[str], patterns: Sequence[str], identity: Callable[[str], str]) -> list[str]:
    """Return the names of which the id, or the name without suffix, matches one of the patterns."""
    if "*" in patterns:
        return list(names)
    return [
        name
        for name in names
        if any(fnmatchcase(text, pattern) for text in (identity(name), without_suffix(name)) for pattern in patterns)
    ]
