"""All defaults of params.yaml by section, and the file that a test compares them with.

``python -m tests.params.defaults`` renews the file. It refuses while a default has another value than in the file and
its section's number in pipeline/params/changed_defaults.yaml is the same: DVC would not run again what uses it.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, TypeAdapter
from ruamel.yaml import YAML

from pipeline.params import AdaptSegNetInitialModel, Params, Photometric
from pipeline.params.photometric import Strength

FILE = Path(__file__).with_name("defaults.json")
COUNTERS = Path(__file__).resolve().parents[2] / "pipeline" / "params" / "changed_defaults.yaml"
HOW_ONLY = {"runtime"}
"""Sections that no stage depends on."""


def all_defaults() -> dict[str, dict[str, Any]]:
    """Return ``{section: {path: default}}`` as JSON has them; of a union, each choice by its name."""
    found = {}
    for section, field in Params.model_fields.items():
        if section not in HOW_ONLY and list(_models(field.annotation)):
            found[section] = dict(sorted(_defaults(field.annotation, "")))
    for section in found.values():
        for path in [path for path in section if path.endswith("augmentation.photometric")]:
            for strength in get_args(Strength):
                values = Photometric(strength=strength).model_dump(mode="json")
                section |= dict(_flat(f"{path}: {strength}", values))
    # The one default that depends on another value.
    squared = AdaptSegNetInitialModel.model_validate({"supervision": "source", "alignment": "adaptsegnet", "gan": "ls"})
    found["initial_models"] |= dict(_flat("AdaptSegNetInitialModel, gan: ls", squared.model_dump(mode="json")))
    return json.loads(json.dumps(found))


def counters() -> dict[str, int]:
    """Return how often a default of each section has changed."""
    read: dict[str, int] = YAML(typ="safe").load(COUNTERS.read_text(encoding="utf-8"))
    return read


def differences(file: dict[str, Any]) -> tuple[list[str], list[str]]:
    """Compare the file with the code: defaults whose section is to be raised, and those that the file lacks."""
    now, number = all_defaults(), counters()
    before = {(section, path): value for section, paths in file["defaults"].items() for path, value in paths.items()}
    after = {(section, path): value for section, paths in now.items() for path, value in paths.items()}
    other = [key for key in before.keys() & after.keys() if before[key] != after[key]]
    silent = [key for key in other if number.get(key[0], 0) <= file["changed"].get(key[0], 0)]
    stale = before.keys() ^ after.keys() | set(other)
    return sorted(map(" ".join, silent)), sorted(map(" ".join, stale - set(silent)))


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    """Yield the sections that an annotation names, at any depth of unions, dicts and Annotated."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    else:
        for argument in get_args(annotation):
            yield from _models(argument)


def _defaults(annotation: Any, path: str) -> Iterator[tuple[str, Any]]:
    models = list(dict.fromkeys(_models(annotation)))
    for model in models:
        inside = f"{path}{model.__name__}." if len(models) > 1 else path
        for name, field in model.model_fields.items():
            if field.is_required():
                yield from _defaults(field.annotation, f"{inside}{name}.")
            else:
                value = field.get_default(call_default_factory=True)
                yield from _flat(f"{inside}{name}", TypeAdapter(Any).dump_python(value, mode="json"))
                if value is None:  # a section that may be missing has defaults of its own
                    yield from _defaults(field.annotation, f"{inside}{name}.")


def _flat(path: str, value: Any) -> Iterator[tuple[str, Any]]:
    """Yield a value, or those of a section one by one: a new key in it is no other value."""
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from _flat(f"{path}.{key}", inner)
    else:
        yield path, value


def main() -> None:
    """Renew the file."""
    silent, _ = differences(json.loads(FILE.read_text(encoding="utf-8"))) if FILE.exists() else ([], [])
    if silent:
        sys.exit(f"raise the sections of these defaults in {COUNTERS.name} first: {', '.join(silent)}")
    content = {"changed": counters(), "defaults": all_defaults()}
    FILE.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
