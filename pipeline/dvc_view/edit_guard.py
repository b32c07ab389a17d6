"""Notices that code or params of a stage have been edited while it ran.

DVC hashes a stage's dependencies when its command has ended. Unnoticed, the result of the text at the beginning would
be recorded as the result of the text at the end.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from pipeline.common.errors import ReadableError
from pipeline.common.files import file_hash
from pipeline.dvc_view.stage_facts import code_of

_PARAMS = ("params.yaml", "pipeline/params/changed_defaults.yaml")
"""The files of which dvc.yaml names params."""


class EditGuard:
    """Code and params on which the stage depends that DVC has started here, as of the guard's construction.

    It is idle in a cluster's job, which works on copies (launcher/driver.py compares the inputs), and in a stage that
    was not started by DVC, whose result nobody records.
    """

    def __init__(self) -> None:
        self._address = "" if "ROUNDABOUT_OUTPUTS" in os.environ else os.environ.get("DVC_STAGE", "")
        self._code = code_of(self._address) if self._address else []
        self._hashes, self._params = _hashes(self._code), {name: _text(name) for name in _PARAMS}
        self.checked = False
        """Whether ``check`` has been called, as it is before a result is published."""

    def check(self) -> None:
        """Compare code and params with what they were.

        Raises:
            ReadableError: where DVC would record the result as that of other code or params.
        """
        self.checked = True
        if not self._address:
            return
        now = _hashes(self._code)
        changed = sorted(str(path) for path in now.keys() | self._hashes if now.get(path) != self._hashes.get(path))
        for name, text in self._params.items():
            if not changed and _text(name) != text:
                changed = _changed_params(self._address, name, text)
        if changed:
            raise ReadableError(
                f"{self._address}: was edited while the stage ran, and DVC would record the old result as that of the "
                f"new text: {', '.join(changed)}. Run `dvc repro` again; what a heavy stage has computed stays in "
                ".roundabout/work, and is used if you change the text back"
            )


def _text(name: str) -> str:
    path = Path(name)
    return path.read_text(encoding="utf-8") if path.exists() else ""


def _hashes(code: list[str]) -> dict[Path, str]:
    """Return the content of the listed files, and of the files in listed folders; of those that are there."""
    files = [file for path in map(Path, code) for file in (path.rglob("*.py") if path.is_dir() else [path])]
    return {file: file_hash(file) for file in files if file.is_file()}


def _changed_params(address: str, name: str, before: str) -> list[str]:
    """Return the stage's params in a file that have another value now; edits of other params do not matter."""
    from dvc.dependency import ParamsDependency  # imported here: half a second, only after an edit
    from dvc.repo import Repo

    try:
        with Repo() as repo:
            stage = repo.stage.load_one(name=address.rpartition(":")[2])
            read = [entry for entry in stage.deps if isinstance(entry, ParamsDependency)]
            keys = [key for entry in read if entry.def_path == name for key in entry.params]
        old, new = (YAML(typ="safe").load(text) for text in (before, _text(name)))
    except Exception:  # half-edited, or the stage is no longer there: DVC could not record the result either
        return [name]
    return [f"{name}: {key}" for key in keys if _value(old, key) != _value(new, key)]


def _value(params: Any, key: str) -> Any:
    for step in key.split("."):
        params = params.get(step) if isinstance(params, dict) else None
    return params
