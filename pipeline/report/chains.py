"""Chains: an initial model and the rounds after it, as one line of a chart and one row of the verdict."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class Chain(NamedTuple):
    """An initial model and the rounds that follow from it, each beginning with the one before."""

    label: str
    initial: str
    rounds: tuple[str, ...]

    @property
    def last(self) -> str:
        """The round whose model counts."""
        return self.rounds[-1]


def chains_of(kinds: Mapping[str, str], inits: Mapping[str, str]) -> list[Chain]:
    """Return one chain for each round that no other begins with, in the order of the rounds.

    ``kinds``: method of each round (and ``initial``, ``oracle``); ``inits``: the run that each round begins
    with. A round whose init was not evaluated begins a chain without it.
    """
    rounds = [name for name, kind in kinds.items() if kind not in ("initial", "oracle")]
    begun = {inits[name] for name in rounds}
    paths = [_back_from(name, kinds, inits) for name in rounds if name not in begun]
    first = next((name for name, kind in kinds.items() if kind == "initial"), None)
    labels = [_label(initial, names, kinds, first) for initial, names in paths]
    return [
        Chain(label if labels.count(label) == 1 else f"{label} ({names[-1]})", initial, tuple(names))
        for label, (initial, names) in zip(labels, paths, strict=True)
    ]


def depth(name: str, kinds: Mapping[str, str], inits: Mapping[str, str]) -> int:
    """Return the number of rounds from the initial model up to and with this run: 0 for an initial model."""
    return len(_back_from(name, kinds, inits)[1]) if name in inits else 0


def _back_from(name: str, kinds: Mapping[str, str], inits: Mapping[str, str]) -> tuple[str, list[str]]:
    names = [name]
    while names[0] in inits and inits[names[0]] in inits:
        names.insert(0, inits[names[0]])
    return inits[names[0]], names


def _label(initial: str, names: list[str], kinds: Mapping[str, str], first: str | None) -> str:
    methods = list(dict.fromkeys(kinds[name].upper() for name in names if name in kinds))
    label = " → ".join(methods)
    return label if initial == first else f"{label} from {initial}"
