"""The classes of two data sets side by side: what maps, what merges, what is ignored, which protocols fit."""

from __future__ import annotations

from typing import NamedTuple

from pipeline.common.labels import ClassSet
from pipeline.datasets.meaning import NOTHING, Meanings


class Fit(NamedTuple):
    """How a class set goes with a source and a target."""

    classes: ClassSet
    not_in_source: tuple[str, ...]
    """Classes that no source label trains."""
    not_in_target: tuple[str, ...]
    """Classes that no target label scores."""

    def in_both(self) -> int:
        """Return how many classes are trained and scored."""
        return len(self.classes) - len({*self.not_in_source, *self.not_in_target})


def ids_of(meanings: Meanings, class_name: str) -> list[int]:
    """Return the ids that count as a class, also those that the published files do not hold."""
    return [identity for identity, meaning in meanings.items() if meaning.counts_as == class_name]


def has(meanings: Meanings, class_name: str) -> bool:
    """Return whether the published files hold a class."""
    return any(meanings[identity].occurs for identity in ids_of(meanings, class_name))


def ignored(meanings: Meanings, classes: ClassSet) -> list[str]:
    """Return ``id name`` of all that counts as none of the classes."""
    return [
        f"{identity} {meaning.published}"
        for identity, meaning in meanings.items()
        if meaning.counts_as == NOTHING or meaning.counts_as not in classes.names
    ]


def merged(meanings: Meanings, classes: ClassSet) -> dict[str, list[str]]:
    """Return the classes that several ids count as, with the names of those."""
    published = {name: [meanings[identity].published for identity in ids_of(meanings, name)] for name in classes.names}
    return {name: names for name, names in published.items() if len(names) > 1}


def fit(source: Meanings, target: Meanings, classes: ClassSet) -> Fit:
    """Return which classes of a set either side lacks."""
    return Fit(
        classes,
        tuple(name for name in classes.names if not has(source, name)),
        tuple(name for name in classes.names if not has(target, name)),
    )
