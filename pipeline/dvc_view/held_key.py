"""Under which key DVC holds a stage's result."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from pipeline.common.files import fingerprint


def held_key(workspace: Path, stage: str) -> str | None:
    """A hash of the command, the params and the *contents* of the dependencies of the result that dvc.lock records.

    None where dvc.lock knows no such stage. Equal keys mean equal inputs; sizes and times are no part of it.
    """
    entry = _entry(workspace / "dvc.lock", stage)
    if entry is None:
        return None
    contents = sorted((item["path"], item.get("md5", "")) for item in entry.get("deps", []))
    return fingerprint(command=entry["cmd"], params=entry.get("params", {}), contents=contents)


def _entry(path: Path, stage: str) -> dict[str, Any] | None:
    """Stages of all rounds stand in one file, which takes a second to parse: only the lines of this one are."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    except FileNotFoundError:
        return None
    heads = {f"  {stage}:\n", f"  '{stage}':\n"}
    first = next((number for number, line in enumerate(lines) if line in heads), None)
    if first is None:
        return None
    rest = lines[first + 1 :]
    end = next((number for number, line in enumerate(rest) if not line.startswith("   ")), len(rest))
    loaded: dict[str, Any] | None = YAML(typ="safe").load("".join(rest[:end]))
    return loaded
