"""Which of the known kinds a file's tensors are, by their names and shapes; or the closest one, and what differs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import NamedTuple

from torch import Tensor

from pipeline.checkpoints.kinds import DEFAULT_CLASSES, KINDS, Kind, Shapes, Slot, shapes_of, without_counters
from pipeline.checkpoints.naming import COUNTER

MOST_PREFIXES = 3
SHOWN = 3
MIT_PARTS = frozenset({"backbone", "decode_head"})
"""First parts of the names of the kinds that are listed only where a file may be of them."""


class Recognised(NamedTuple):
    """What a file is: a kind, with what varies within it."""

    kind: Kind
    classes: int
    prefix: str
    """stripped from every name, such as ``module.`` (DataParallel)"""
    slots: list[Slot]
    ignored: list[str]
    """names that are known and not read"""
    has_counters: bool


class Difference(NamedTuple):
    """How a file differs from a kind."""

    kind: Kind
    fitting: int
    missing: list[str]
    left_over: list[str]
    other_shape: list[str]

    def in_words(self) -> str:
        """Return the differences in words."""
        lists = {"missing": self.missing, "not known": self.left_over, "of another shape": self.other_shape}
        return "; ".join(f"{len(names)} {what}: {_listed(names)}" for what, names in lists.items() if names)


def recognise(tensors: Mapping[str, Tensor]) -> Recognised | None:
    """Return what the tensors are, or None if they are of no known kind, or of several networks."""
    matches = networks_in(tensors)
    return matches[0] if len(matches) == 1 else None


def networks_in(tensors: Mapping[str, Tensor]) -> list[Recognised]:
    """Return every known network among the tensors, each with the prefix below which it is.

    Beside a network there may be tensors that are not its own, such as a metric's buffers or a loss's weights: they are
    listed as ignored. A discriminator counts only where there is no network.
    """
    shapes = shapes_of(tensors)
    matches: list[Recognised] = []
    for kind in _worth_a_look(shapes):
        for prefix in _prefixes_of(kind, shapes):
            if not any(prefix.startswith(match.prefix) for match in matches) and _is(kind, prefix, shapes):
                matches.append(_recognised(kind, prefix, shapes))
    matches = [match for match in matches if match.kind.spec is not None] or matches
    return sorted(matches, key=lambda match: match.prefix)


def _worth_a_look(shapes: Shapes) -> list[Kind]:
    return [kind for kind in KINDS.values() if kind.may_be(shapes)]


def _prefixes_of(kind: Kind, shapes: Shapes) -> list[str]:
    """Return what is before the kind's first name wherever that name occurs."""
    first = kind.first or kind.slots(kind.classes(shapes))[0].theirs
    prefixes = [name.removesuffix(first) for name in shapes if name.endswith(first)]
    return [prefix for prefix in prefixes if not prefix or prefix.endswith(".")]


def _is(kind: Kind, prefix: str, shapes: Shapes) -> bool:
    """Return whether the whole kind is there below the prefix, and nothing else that may belong to a network."""
    below = _below(prefix, shapes)
    difference = _difference(kind, below)
    if difference.missing or difference.other_shape or len(difference.left_over) > difference.fitting:
        return False
    return not any(name.partition(".")[0] in _known_parts() for name in difference.left_over)


def _below(prefix: str, shapes: Shapes) -> dict[str, tuple[int, ...]]:
    return {name.removeprefix(prefix): shape for name, shape in shapes.items() if name.startswith(prefix)}


@cache
def _known_parts() -> frozenset[str]:
    """Return the first parts of all names of all kinds: what is called so and does not fit is no metric's buffer."""
    kinds = _worth_a_look({})
    return MIT_PARTS | frozenset(
        slot.theirs.partition(".")[0] for kind in kinds for slot in kind.slots(DEFAULT_CLASSES)
    )


def closest(tensors: Mapping[str, Tensor]) -> str:
    """Return, in words, the kind with which most names and shapes agree, and which of them do not."""
    differences = [
        _difference(kind, shapes)
        for prefix, shapes in _without_prefixes(shapes_of(tensors))
        for kind in _worth_a_look(shapes)
    ]
    best = max(differences, key=lambda difference: difference.fitting / (difference.fitting + _wrong(difference)))
    if not best.fitting:
        return f"none of its {len(tensors)} tensors ({_listed(sorted(tensors))}) is in any known kind of checkpoint"
    return f"closest is {best.kind.name}, {best.kind.title}: {best.fitting} tensors fit; {best.in_words()}"


def _wrong(difference: Difference) -> int:
    return len(difference.missing) + len(difference.left_over) + len(difference.other_shape)


def _without_prefixes(shapes: Shapes) -> Iterator[tuple[str, Shapes]]:
    """Yield the names as they are, then without the first part that all share, and so on."""
    prefix = ""
    for _ in range(MOST_PREFIXES + 1):
        yield prefix, shapes
        firsts = {name.partition(".")[0] for name in shapes}
        if len(firsts) != 1 or any("." not in name for name in shapes):
            return
        first = f"{firsts.pop()}."
        prefix, shapes = prefix + first, {name.removeprefix(first): shape for name, shape in shapes.items()}


def _difference(kind: Kind, shapes: Shapes) -> Difference:
    slots = kind.slots(kind.classes(shapes))
    expected = {slot.theirs: slot.shape for slot in slots}
    fitting = [name for name in without_counters(expected) if shapes.get(name) == expected[name]]
    return Difference(
        kind,
        len(fitting),
        missing=[name for name in without_counters(expected) if name not in shapes],
        left_over=[name for name in without_counters(shapes) if name not in expected and not kind.is_ignored(name)],
        other_shape=[
            f"{name} is {_sides(shapes[name])} and not {_sides(shape)}"
            for name, shape in expected.items()
            if name in shapes and shapes[name] != shape and not name.endswith(COUNTER)
        ],
    )


def _recognised(kind: Kind, prefix: str, shapes: Shapes) -> Recognised:
    below = _below(prefix, shapes)
    classes = kind.classes(below)
    slots = [slot for slot in kind.slots(classes) if slot.theirs in below]
    expected = {prefix + slot.theirs for slot in slots}
    ignored = [_short(name, prefix) for name in shapes if name not in expected]
    return Recognised(kind, classes, prefix, slots, ignored, any(name.endswith(COUNTER) for name in expected))


def _short(name: str, prefix: str) -> str:
    return name.removeprefix(prefix) if name.startswith(prefix) else name


def _sides(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape)) or "a single number"


def _listed(names: list[str]) -> str:
    return ", ".join(names[:SHOWN]) + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")
