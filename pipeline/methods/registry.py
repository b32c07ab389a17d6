"""The methods by name. One more is its file, its line here, and its objective in training."""

from __future__ import annotations

from typing import Any

from pipeline.common.errors import ReadableError, did_you_mean
from pipeline.methods.cada import CADA
from pipeline.methods.cbst import CBST
from pipeline.methods.intrada import INTRADA
from pipeline.methods.lse import LSE
from pipeline.methods.method import Method, PaperRounds
from pipeline.methods.teacher import TEACHER

METHODS: dict[str, Method[Any, Any]] = {
    method.name: method
    for method in (
        LSE,
        CBST,
        CADA,
        INTRADA,
        TEACHER,
    )
}
"""In the order in which params.yaml and the files of a report list their sections."""


def method_named(name: str) -> Method[Any, Any]:
    """Return the method of that name.

    Raises:
        ReadableError: there is none; it lists those that there are.
    """
    if name not in METHODS:
        hint = did_you_mean(name, list(METHODS))
        raise ReadableError(f"there is no method {name!r}; there are {', '.join(METHODS)}{hint}")
    return METHODS[name]


def paper_rounds() -> dict[str, tuple[Method[Any, Any], PaperRounds]]:
    """Return the rounds of all papers by the name that ``roundabout rounds`` has for them, with their method."""
    return {rounds.name: (method, rounds) for method in METHODS.values() for rounds in method.paper}
