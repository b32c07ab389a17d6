"""What is there is not replaced unless the user says so."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

from pipeline.common.errors import ReadableError

Force = Annotated[bool, typer.Option("--force", help="overwrite what is there")]


def keep_what_is_there(paths: Iterable[Path], force: bool) -> None:
    """Refuse to replace what exists, unless ``force``.

    Raises:
        ReadableError: one of these files exists; names the first.
    """
    there = next((path for path in paths if path.exists()), None)
    if there is not None and not force:
        raise ReadableError(f"{there}: is there already; choose another name, or say --force to overwrite it")
