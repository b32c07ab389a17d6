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
from pipeline.common.work import sources

_PARAMS = Path("params.yaml")


class EditGuard:
    """Code and params of the stage that DVC has started here, as of the guard's construction, after all imports.

    It is idle in a cluster's job, which works on copies (launcher/driver.py compares the inputs), and in a stage that
    was not started by DVC, whose result nobody records.
    """

    def __init__(self) -> None:
        self._address = "" if "ROUNDABOUT_OUTPUTS" in os.environ else os.environ.get("DVC_STAGE", "")
        self._sources = {path: file_hash(path) for path in sources().values()} if self._address else {}
        self._params = _text(_PARAMS)
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
        changed = [str(path) for path, content in self._sources.items() if _hash_of(path) != content]
        if not changed and _text(_PARAMS) != self._params:
            changed = _changed_params(self._address, self._params)
        if changed:
            raise ReadableError(
                f"{self._address}: was edited while the stage ran, and DVC would record the old result as that of the "
                f"new text: {', '.join(changed)}. Run `dvc repro` again; what a heavy stage has computed stays in "
                ".roundabout/work, and is used if you change the text back"
            )


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.exists() else ""


def _changed_params(address: str, before: str) -> list[str]:
    """Return the stage's params that have another value now; edits of other params do not matter."""
    from dvc.dependency import ParamsDependency  # imported here: half a second, only after an edit
    from dvc.repo import Repo

    try:
        with Repo() as repo:
            stage = repo.stage.load_one(name=address.rpartition(":")[2])
            read = [entry for entry in stage.deps if isinstance(entry, ParamsDependency)]
            keys = [key for entry in read if entry.def_path == str(_PARAMS) for key in entry.params]
        old, new = (YAML(typ="safe").load(text) for text in (before, _text(_PARAMS)))
    except Exception:  # half-edited, or the stage is no longer there: DVC could not record the result either
        return [str(_PARAMS)]
    return [f"{_PARAMS}: {key}" for key in keys if _value(old, key) != _value(new, key)]


def _value(params: Any, key: str) -> Any:
    for step in key.split("."):
        params = params.get(step) if isinstance(params, dict) else None
    return params


def _hash_of(path: Path) -> str | None:
    return file_hash(path) if path.exists() else None
