"""Sizes that a user names."""

from __future__ import annotations

import re

from pipeline.common.errors import ReadableError


def require_positive(size: tuple[int, int] | None) -> None:
    """Refuse a ``--size`` that no image can have.

    Raises:
        ReadableError: it is such a size.
    """
    if size is not None and min(size) < 1:
        raise ReadableError(f"--size: both sides must be at least 1, and it is {size[0]} {size[1]}")


def size_in(option: str, text: str) -> tuple[int, int]:
    """Return height and width of ``512x1024`` (or ``512,1024``, or ``512`` for a square).

    Raises:
        ReadableError: the text is not a size.
    """
    match = re.fullmatch(r"(\d{1,6})(?:\s*[x×,]\s*(\d{1,6}))?", text.strip().lower())
    if match is None:
        raise ReadableError(f"{option}: is {text!r}; height and width in pixels are needed, such as 512x1024")
    height, width = match[1], match[2] or match[1]
    return int(height), int(width)
