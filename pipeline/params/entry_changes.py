"""What rounds change of the section ``adapt`` and initial models of ``pretrain``: problems, and lines that explain."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import ValidationError, create_model

from pipeline.common.flat import flat
from pipeline.common.section import Section
from pipeline.params.changes import replaced_budget, with_changes
from pipeline.params.messages import readable
from pipeline.params.params import Params
from pipeline.params.training import Adapt, Training

SECTIONS: dict[str, type[Training]] = {"pretrain": Training, "adapt": Adapt}
"""The sections that entries of tables change, by name."""
_SECTION_OF = {"initial_models": "pretrain", "rounds": "adapt"}
_ABSENT = object()
# each section alone under its name, so that errors have its path
_ALONE: dict[str, type[Section]] = {
    name: create_model(f"Only{section.__name__}", __base__=Section, **{name: (section, ...)})  # type: ignore[call-overload]
    for name, section in SECTIONS.items()
}


def changes_of(params: Params) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the place in the file and the changes of every initial model and round, those without changes too."""
    for table, section in _SECTION_OF.items():
        for name, entry in getattr(params, table).items():
            yield f"{table}.{name}.{section}", getattr(entry, section)


def change_problems(raw: Mapping[str, Any]) -> list[str]:
    """Return what is wrong with entries' own changes in the values of params.yaml, whatever else is wrong there.

    What is wrong with the section itself is not repeated for every entry.
    """
    return [problem for table, name in _SECTION_OF.items() for problem in _problems_of_table(raw, table, name)]


def explained_changes(params: Params) -> list[str]:
    """Return one line for each value that an initial model or a round changes, beside the section's."""
    return [line for table, name in _SECTION_OF.items() for line in _explained(params, table, name)]


def _problems_of_table(raw: Mapping[str, Any], table: str, name: str) -> list[str]:
    section = _mapping(raw.get(name))
    known = _problems(name, section)
    return [
        f"{table}.{entry_name}.{problem}"
        for entry_name, entry in _mapping(raw.get(table)).items()
        for problem in _problems(name, with_changes(section, _mapping(_mapping(entry).get(name))))
        if problem not in known
    ]


def _problems(name: str, section: Mapping[str, Any]) -> list[str]:
    raw = {name: section}
    try:
        _ALONE[name].model_validate(raw)
    except ValidationError as error:
        return readable(error, raw)
    return []


def _explained(params: Params, table: str, name: str) -> list[str]:
    section: Training = getattr(params, name)
    given = section.model_dump(mode="json", exclude_unset=True)
    every = section.model_dump(mode="json")
    return [
        f"{table} {entry_name}: {name}.{key} {_shown(value)} ({_beside(key, given, every)})"
        for entry_name, entry in getattr(params, table).items()
        for key, value in flat(getattr(entry, name)).items()
    ]


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _beside(key: str, given: Mapping[str, Any], every: Mapping[str, Any]) -> str:
    """Return what holds without the change: what the section says of it or of the other budget, or the default."""
    replaced = replaced_budget(key)
    if replaced is not None and given.get(replaced) is not None:
        return f"the section says {replaced} {_shown(given[replaced])}"
    value = _value_at(given, key)
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
