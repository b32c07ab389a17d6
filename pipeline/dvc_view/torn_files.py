"""Files of DVC that a killed DVC has left cut: it writes them in place, and afterwards refuses every command.

``dvc.lock`` names the results, and ``.dvc/tmp/rwlock`` the processes at work. Without them DVC begins anew: it takes
what dvc.lock had recorded from its cache of runs, and nothing is computed again.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path

LOCK, RWLOCK = Path("dvc.lock"), Path(".dvc") / "tmp" / "rwlock"
ASIDE = Path(".roundabout") / "torn"
QUIET_SECONDS = 2.0
"""A file that changes within this time is being written."""


def torn_files(workspace: Path) -> list[Path]:
    """Return those of DVC's files, relative to the workspace, that are cut and that nobody is writing.

    A dvc.lock with the marks of a merge conflict is not one of them: a person must solve that.
    """
    cut = {path: text for path, refused in _REFUSED.items() if refused(text := _text(workspace / path))}
    if cut:
        time.sleep(QUIET_SECONDS)
    return [path for path, text in cut.items() if _text(workspace / path) == text]


def advice(workspace: Path) -> str:
    """Return what to do about cut files of DVC, in words; "" without any."""
    names = " ".join(map(str, torn_files(workspace)))
    return names and (
        f"{names}: a killed DVC has left it cut, and DVC refuses every command; run `rm {names}`, then `dvc repro`: "
        "DVC takes what it had recorded from its cache"
    )


def set_torn_files_aside(workspace: Path) -> list[Path]:
    """Move cut files of DVC to ``.roundabout/torn/``; return which they were."""
    torn = torn_files(workspace)
    for path in torn:
        (workspace / ASIDE).mkdir(parents=True, exist_ok=True)
        os.replace(workspace / path, workspace / ASIDE / path.name)  # noqa: PTH105 - paths of the workspace
    return torn


def _text(path: Path) -> str | None:
    try:
        return path.read_bytes().decode(errors="replace")
    except FileNotFoundError:
        return None


def _is_refused_lock(text: str | None) -> bool:
    """Return whether DVC refuses a dvc.lock with this text, or would fail over a cut word in it.

    One that is cut between two lines may be accepted: DVC takes the entries that are missing from its cache.
    """
    if text is None or "<<<<<<<" in text:
        return False
    if not text.endswith("\n"):
        return True
    from dvc.exceptions import DvcException  # imported here: DVC takes half a second
    from dvc.schema import COMPILED_LOCKFILE_SCHEMA
    from dvc.utils.serialize import parse_yaml
    from dvc.utils.strictyaml import validate

    try:
        validate(parse_yaml(text, LOCK.name), COMPILED_LOCKFILE_SCHEMA, text)
    except DvcException:
        return True
    return False


def _is_refused_rwlock(text: str | None) -> bool:
    try:
        return text is not None and not isinstance(json.loads(text), dict)
    except ValueError:
        return True


_REFUSED: dict[Path, Callable[[str | None], bool]] = {LOCK: _is_refused_lock, RWLOCK: _is_refused_rwlock}
