"""Sizes that a user names."""

from __future__ import annotations

from pipeline.common.errors import ReadableError


def require_positive(size: tuple[int, int] | None) -> None:
    """Refuse a ``--size`` that no image can have.

    Raises:
        ReadableError: it is such a size.
    """
    if size is not None and min(size) < 1:
        raise ReadableError(f"--size: both sides must be at least 1, and it is {size[0]} {size[1]}")
