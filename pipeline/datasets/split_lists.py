"""Split lists: text files of image ids, one a line, that begin with a sentence of provenance (data/lists/)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from pipeline.common.files import write_text
from pipeline.datasets.problems import DataError


def read_list(path: Path, ids: set[str], identity: Callable[[str], str]) -> set[str]:
    """Return the ids that a list names, all of them in ``ids``.

    A line holds an id, or a file name as the published lists have it (``identity`` makes the id of it); empty lines
    and lines that begin with # are passed over.

    Raises:
        DataError: the file is missing, names no image, or names one that is not in ``ids``.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise DataError(f"{path}: the split list cannot be read ({error.strerror})") from None
    except UnicodeDecodeError:
        raise DataError(f"{path}: the split list is not a text file (UTF-8)") from None
    named = [line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#")]
    if not named:
        raise DataError(f"{path}: the split list names no image")
    named_ids = {line if line in ids else identity(line) for line in named}
    missing = [line for line in named if line not in ids and identity(line) not in ids]
    if missing:
        some = f"such as {min(ids)!r}" if ids else "none"
        raise DataError(
            f"{path}: {len(missing)} of {len(named)} lines name no image of the split, such as {missing[0]!r};"
            f" its ids are {some}"
        )
    return named_ids


def write_list(path: Path, provenance: str, ids: Sequence[str]) -> None:
    """Write a list that read_list reads."""
    head = "".join(f"# {line}\n" for line in provenance.splitlines())
    write_text(path, head + "".join(f"{identity}\n" for identity in ids))
