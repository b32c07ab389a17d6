"""A section of params.yaml with changes, as entries of a table make them; plain values as YAML has them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

BUDGETS = ("steps", "epochs")
"""A training has one of them, so that a change to one drops the other."""


def with_changes(section: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return the section with the keys of ``changes``: mappings are merged at every depth, other values replaced."""
    kept = {key: value for key, value in section.items() if not _is_replaced(key, changes)}
    return kept | {key: _changed(kept.get(key), value) for key, value in changes.items()}


def replaced_budget(key: str) -> str | None:
    """Return the key whose value a change of ``key`` drops; None for keys that drop none."""
    return next((other for other in BUDGETS if other != key), None) if key in BUDGETS else None


def _is_replaced(key: str, changes: Mapping[str, Any]) -> bool:
    other = replaced_budget(key)
    return other in changes and key not in changes


def _changed(value: Any, change: Any) -> Any:
    both = isinstance(value, Mapping) and isinstance(change, Mapping)
    return with_changes(value, change) if both else change
