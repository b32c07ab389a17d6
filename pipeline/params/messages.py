"""pydantic's errors in plain words, with their path in the file and "did you mean"."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, get_args, get_origin

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from pipeline.common.errors import did_you_mean
from pipeline.common.section import Section
from pipeline.params.params import Params
from pipeline.params.photometric import PHOTOMETRIC_TAGS

_WHAT_TO_ADD = {"health": "; add at least `health: {images: 200}` (docs/health.md)"}
"""Sections that params.yaml files of earlier versions do not have."""


def readable(error: ValidationError, raw: dict[str, Any]) -> list[str]:
    """Return one line for each error, with its path in the file and the nearest known word."""
    lines = []
    for item in error.errors(include_url=False):
        item["loc"] = tuple(step for step in item["loc"] if step not in PHOTOMETRIC_TAGS)
        path = _path_in_file(item["loc"], raw)
        if "[key]" in item["loc"] and item["loc"][0] in ("initial_models", "rounds", "translations"):
            continue  # a name that is no string: graph_problems says it better
        if item["type"] == "union_tag_invalid":
            context = item.get("ctx") or {}
            choices, tag = re.findall(r"'([^']+)'", str(context.get("expected_tags", ""))), str(context.get("tag", ""))
            key = (
                "alignment" if item["loc"][0] == "initial_models" else str(context.get("discriminator", "")).strip("'")
            )
            lines.append(f"{path}.{key}: is {tag!r}; choose one of {', '.join(choices)}{did_you_mean(tag, choices)}")
        elif item["type"] == "union_tag_not_found":
            key = str((item.get("ctx") or {}).get("discriminator", "")).strip("'")
            lines.append(f"{path}.{key}: is missing")
        elif item["type"] == "extra_forbidden":
            lines.append(f"{path}: unknown key{did_you_mean(str(item['loc'][-1]), _keys_beside(item['loc']))}")
        elif item["type"] == "missing":
            lines.append(f"{path}: is missing{_WHAT_TO_ADD.get(path, '')}")
        else:
            lines.append(f"{path}: {in_words(item)}")
    return lines


def in_words(item: ErrorDetails) -> str:
    """Return what pydantic says of a value, the value itself, and the nearest word that is allowed."""
    message = item["msg"].removeprefix("Value error, ").removeprefix("Input ")
    shown = f" (it is {item['input']!r})" if isinstance(item["input"], str | int | float) else ""
    choices = re.findall(r"'([^']+)'", message) if item["type"] == "literal_error" else []
    return f"{message}{shown}{did_you_mean(str(item['input']), choices)}"


def _path_in_file(location: tuple[int | str, ...], raw: Any) -> str:
    """Return the dotted path in the file, without the names by which pydantic chose among sections."""
    kept = []
    for step in location:
        chosen_by: tuple[Any, ...] = ("none",)
        if isinstance(raw, dict):
            chosen_by = (raw.get("layout"), raw.get("method"), raw.get("alignment", "none"))
        if step in chosen_by and not (isinstance(raw, dict) and step in raw):
            continue
        kept.append(str(step))
        if isinstance(raw, dict):
            raw = raw.get(step)
    return ".".join(kept)


def _keys_beside(location: tuple[int | str, ...]) -> list[str]:
    """Return the keys that the section of an unknown key has."""
    section: Any = Params
    for step in location[:-1]:
        section = _step_into(section, step)
    sections = list(_sections(section))
    return list(sections[0].model_fields) if len(sections) == 1 else []


def _step_into(annotation: Any, step: int | str) -> Any:
    if get_origin(annotation) is dict:
        return get_args(annotation)[1]
    sections = list(_sections(annotation))
    if len(sections) > 1:  # a layout's or an alignment's name picks one of them
        return next((section for section in sections if step in _names_of(section)), None)
    field = sections[0].model_fields.get(str(step)) if sections else None
    return field.annotation if field is not None else None


def _sections(annotation: Any) -> Iterator[type[Section]]:
    """Yield the sections that an annotation allows."""
    if isinstance(annotation, type) and issubclass(annotation, Section):
        yield annotation
    elif get_origin(annotation) is not dict:
        for argument in get_args(annotation):
            yield from _sections(argument)


def _names_of(section: type[Section]) -> tuple[Any, ...]:
    """Return the names by which a section is chosen."""
    fields = section.model_fields
    chosen_by = fields.get("layout") or fields.get("method") or fields.get("alignment")
    return get_args(chosen_by.annotation) if chosen_by is not None else ()
