"""What rounds change of the section ``adapt``: problems with it, and lines that explain it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from pipeline.common.flat import flat
from pipeline.common.section import Section
from pipeline.params.changes import replaced_budget, with_changes
from pipeline.params.messages import readable
from pipeline.params.params import Params
from pipeline.params.training import Adapt

_ABSENT = object()


class _OnlyAdapt(Section):
    """The section under its name, so that errors have its path."""

    adapt: Adapt


def change_problems(raw: Mapping[str, Any]) -> list[str]:
    """Return what is wrong with rounds' own ``adapt`` in the values of params.yaml, whatever else is wrong there.

    What is wrong with the section itself is not repeated for every round.
    """
    section = _mapping(raw.get("adapt"))
    known = _problems(section)
    return [
        f"rounds.{name}.{problem}"
        for name, entry in _mapping(raw.get("rounds")).items()
        for problem in _problems(with_changes(section, _mapping(_mapping(entry).get("adapt"))))
        if problem not in known
    ]


def explained_changes(params: Params) -> list[str]:
    """Return one line for each value that a round changes, beside the section's."""
    said = params.adapt.model_dump(mode="json", exclude_unset=True)
    every = params.adapt.model_dump(mode="json")
    return [
        f"rounds {name}: adapt.{key} {_shown(value)} ({_beside(key, said, every)})"
        for name, entry in params.rounds.items()
        for key, value in flat(entry.adapt).items()
    ]


def _problems(section: Mapping[str, Any]) -> list[str]:
    raw = {"adapt": section}
    try:
        _OnlyAdapt.model_validate(raw)
    except ValidationError as error:
        return readable(error, raw)
    return []


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _beside(key: str, said: Mapping[str, Any], every: Mapping[str, Any]) -> str:
    """Return what holds without the change: what the section says of it or of the other budget, or the default."""
    replaced = replaced_budget(key)
    if replaced is not None and said.get(replaced) is not None:
        return f"the section says {replaced} {_shown(said[replaced])}"
    value = _value_at(said, key)
    if value is not _ABSENT:
        return f"the section says {_shown(value)}"
    return f"the default is {_shown(_value_at(every, key))}"


def _value_at(section: Any, key: str) -> Any:
    """Return the value of a dotted key, or the one that is there instead of a mapping with such a key."""
    for step in key.split("."):
        if not isinstance(section, Mapping):
            return section
        if step not in section:
            return _ABSENT
        section = section[step]
    return section


def _shown(value: Any) -> str:
    if value is None or value is _ABSENT:
        return "none"
    return value if isinstance(value, str) else json.dumps(value)
