"""Reads params.yaml: every problem at once."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.constructor import DuplicateKeyError
from ruamel.yaml.error import YAMLError

from pipeline.common.errors import ReadableError
from pipeline.common.labels import class_set
from pipeline.methods.registry import METHODS
from pipeline.params.cross_checks import class_map_problems, graph_problems, section_problems
from pipeline.params.data import Data
from pipeline.params.entry_changes import SECTIONS, change_problems
from pipeline.params.initial_models import INITIAL_MODELS
from pipeline.params.messages import readable
from pipeline.params.params import Params

_RENAMED = {"starts": "initial_models"}
"""Sections that earlier versions called otherwise."""


class ParamsError(ReadableError, ValueError):
    """params.yaml cannot be used; ``problems`` holds one line for each thing that is wrong."""

    def __init__(self, path: Path, problems: list[str]) -> None:
        self.path, self.problems = path, problems
        count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
        super().__init__(f"{path}: {count}\n" + "\n".join(f"  - {problem}" for problem in problems))


def read_params(path: Path | str = "params.yaml") -> Params:
    """Read and check params.yaml.

    Raises:
        ParamsError: it cannot be used; the error lists every problem.
    """
    path = Path(path)
    raw, problems = _under_new_names(_read_yaml(path))
    problems += graph_problems(raw) + class_map_problems(raw)
    params = None
    try:
        params = _with_headline(Params.model_validate(raw))
    except ValidationError as error:
        problems += [line for line in readable(error, raw) if line not in problems]
    problems += change_problems(raw)
    if params is not None:
        problems += section_problems(params)
    if problems or params is None:
        raise ParamsError(path, problems)
    return params


def read_data(path: Path | str = "params.yaml") -> Data | None:
    """Read the section ``data`` alone, for a look at its files where other sections are wrong; None if it is, too."""
    try:
        return Data.model_validate(_read_yaml(Path(path)).get("data"))
    except (ParamsError, ValidationError):
        return None


def _with_headline(params: Params) -> Params:
    """The params with the foreground's IoU as headline, where there is a foreground and the file names no headline."""
    classes = class_set(params.classes)
    metric = None if classes.foreground in params.evaluate.merge else classes.foreground_metric
    if metric is None or "headline" in params.evaluate.model_fields_set:
        return params
    return params.model_copy(update={"evaluate": params.evaluate.model_copy(update={"headline": metric})})


def json_schema() -> dict[str, Any]:
    """Return a JSON schema of params.yaml, for editors."""
    schema = Params.model_json_schema()
    for entry in (*(method.round for method in METHODS.values()), *INITIAL_MODELS):
        # Records cannot name the section, which is above them; all its keys have defaults, so it describes changes, too
        section = SECTIONS[entry.CHANGES].__name__
        schema["$defs"][entry.__name__]["properties"][entry.CHANGES]["$ref"] = f"#/$defs/{section}"
    return schema


def _read_yaml(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise ParamsError(path, ["there is no such file; `roundabout use streets` writes one"])
    try:
        raw = YAML(typ="safe").load(path.read_text(encoding="utf-8"))
    except DuplicateKeyError as error:
        raise ParamsError(path, [_twice(error)]) from None
    except UnicodeDecodeError as error:
        raise ParamsError(path, [f"is not UTF-8 ({error}); save it as UTF-8"]) from None
    except YAMLError as error:
        raise ParamsError(path, [f"is not valid YAML: {' '.join(str(error).split())}"]) from None
    if not isinstance(raw, dict):
        raise ParamsError(path, ["should hold a mapping of sections"])
    return raw


def _under_new_names(raw: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Return the params under today's names, so that all other problems show, and what to rename in the file."""
    problems = [f"{key}: is called {_RENAMED[key]} now; rename it" for key in raw if key in _RENAMED]
    old = {_RENAMED[key]: value for key, value in raw.items() if key in _RENAMED}
    return old | {key: value for key, value in raw.items() if key not in _RENAMED}, problems


def _twice(error: DuplicateKeyError) -> str:
    # ruamel quotes the key in its first words, and marks its second line
    key = re.search(r'found duplicate key "([^"]*)"', error.problem or "")
    line = error.problem_mark.line + 1 if error.problem_mark is not None else "?"
    return f"line {line}: {key[1] if key else 'a key'} is there twice; put what both hold under one"
