"""Nested values by dotted key."""

from __future__ import annotations

from typing import Any


def flat(values: dict[str, Any], head: str = "") -> dict[str, Any]:
    """Return nested values by dotted key; lists stay values."""
    by_key: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, dict) and value:
            by_key |= flat(value, f"{head}{key}.")
        else:
            by_key[f"{head}{key}"] = value
    return by_key
