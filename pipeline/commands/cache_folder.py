"""A cache as people name it on the command line: its folder, or the round that it belongs to."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def cache_folder(given: Path) -> Path:
    """Return the folder of a cache: ``lse-1`` is runs/lse-1/cache, unless something of that name is here."""
    of_round = Path("runs") / given / "cache"
    return of_round if not given.exists() and not given.is_absolute() and of_round.is_dir() else given


Cache = Annotated[Path, typer.Argument(help="the cache's folder, or a round: lse-1", callback=cache_folder)]
