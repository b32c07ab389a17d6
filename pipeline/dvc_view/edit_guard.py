"""Whether code or params of a stage have been edited while it ran.

DVC hashes a stage's dependencies when its command has ended. Without this look, the result of what was there at the
beginning would be recorded as the result of what is there then.
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


class Watch:
    """What a stage that DVC has started here depends on, as it is when this is made: after the stage's imports.

    A cluster's job works on copies, and its driver looks (launcher/driver.py); what nobody started through DVC is
    recorded by nobody.
    """

    def __init__(self) -> None:
        self._address = "" if "ROUNDABOUT_OUTPUTS" in os.environ else os.environ.get("DVC_STAGE", "")
        self._sources = {path: file_hash(path) for path in sources().values()} if self._address else {}
        self._params = _text(_PARAMS)

    def look(self) -> None:
        """Raises ReadableError where the result would be recorded as that of other code or params than it is of."""
        if not self._address:
            return
        changed = [
            str(path) for path, content in self._sources.items() if not path.exists() or file_hash(path) != content
        ]
        if not changed and _text(_PARAMS) != self._params:
            changed = _changed_params(self._address, self._params)
        if changed:
            raise ReadableError(
                f"{self._address}: was edited while the stage ran, and DVC would record the old result as that of the "
                f"new text: {', '.join(changed)}. Run `dvc repro` again; what a heavy stage has made stays in "
                ".roundabout/work, and is taken up if you change the text back"
            )


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.exists() else ""


def _changed_params(address: str, before: str) -> list[str]:
    """Params of the stage that have another value now: an edit of what it does not read is none of its business."""
    from dvc.dependency import ParamsDependency  # imported here: half a second, which only a changed file need cost
    from dvc.repo import Repo

    try:
        with Repo() as repo:
            stage = repo.stage.load_one(name=address.rpartition(":")[2])
            read = [entry for entry in stage.deps if isinstance(entry, ParamsDependency)]
            keys = [key for entry in read if entry.def_path == str(_PARAMS) for key in entry.params]
        old, new = (YAML(typ="safe").load(text) for text in (before, _text(_PARAMS)))
    except Exception:  # half-edited, or the stage is gone from it: DVC could not record the result either
        return [str(_PARAMS)]
    return [f"{_PARAMS}: {key}" for key in keys if _value(old, key) != _value(new, key)]


def _value(params: Any, key: str) -> Any:
    for step in key.split("."):
        params = params.get(step) if isinstance(params, dict) else None
    return params
