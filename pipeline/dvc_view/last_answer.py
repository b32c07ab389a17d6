"""DVC's last answer about what has changed, as long as nothing has changed on which it depends.

To ask DVC takes more than a second, most of it to import DVC and to read dvc.yaml. An answer depends on files alone,
and DVC itself takes a file for the same that has the same size, time and inode. So it is kept with these of all files
and folders that DVC looked at, among them the folders of its cache, and the next `roundabout status` compares them.
"""

from __future__ import annotations

import importlib.util
import json
import os
import stat
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from pipeline.common.files import write_bytes
from pipeline.dvc_view.graph import Changes, ask_dvc, changes_in

ANSWER = Path(".roundabout") / "status.json"
_JUST_NOW = 2_000_000_000
"""Nanoseconds. A file that has changed so shortly before the answer may change again without another time."""
_OURS = ("graph.py", "status.py")

Traces = dict[str, list[int] | None]
"""What tells of each file and folder that it is another: None of those that are not there."""


def find_changes_again(workspace: Path, ask: Callable[[Path], dict[str, Any]] = ask_dvc) -> Changes:
    """Return what ``graph.find_changes`` returns, without DVC where nothing has changed since the last answer.

    Raises:
        ReadableError: where DVC cannot read the stages, or for a ``meta`` with unknown keys.
    """
    kept = _kept(workspace / ANSWER)
    if kept is not None and _traces(kept["traces"]) == kept["traces"]:
        return changes_in(kept["view"])
    begin = _now(workspace / ANSWER)
    view = ask(workspace)
    if begin is not None:
        _keep(workspace / ANSWER, view, begin)
    return changes_in(view)


def _kept(path: Path) -> dict[str, Any] | None:
    try:
        kept = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    return kept if isinstance(kept, dict) and {"view", "traces"} <= set(kept) else None


def _keep(path: Path, view: Mapping[str, Any], begin: int) -> None:
    """Write an answer down, unless something that DVC looked at has changed since shortly before."""
    if view["looked_at"] is None:
        return
    own = str(path.parent.resolve())  # unfinished work, without stages; outside of git DVC walks through it, too
    traces = _traces(name for name in (*view["looked_at"], *_programs()) if not name.startswith(own))
    if all(trace is None or max(trace[2:]) < begin - _JUST_NOW for trace in traces.values()):
        answer = json.dumps({"view": {**view, "looked_at": None}, "traces": traces})
        with suppress(OSError):  # a full disk: then DVC is asked the next time, too
            write_bytes(path, answer.encode())


def _programs() -> list[str]:
    """Return the files that are others after an upgrade."""
    dvc = importlib.util.find_spec("dvc")
    ours = [str(Path(__file__).with_name(name)) for name in _OURS]
    return ours if dvc is None or dvc.origin is None else [*ours, dvc.origin]


def _now(path: Path) -> int | None:
    """Return the time in nanoseconds by the clock of the file system, maybe a server's; None if it is read-only."""
    clock = path.with_suffix(".clock")
    try:
        path.parent.mkdir(exist_ok=True)
        clock.touch()
        return clock.stat().st_mtime_ns
    except OSError:
        return None


def _traces(paths: Iterable[str]) -> Traces:
    return {path: _trace(path) for path in paths}


def _trace(path: str) -> list[int] | None:
    """Return inode, size, and the times of content and inode."""
    try:
        now = os.stat(path)  # noqa: PTH116 - of some thousand files
    except OSError:
        return None
    size = 0 if stat.S_ISDIR(now.st_mode) else now.st_size
    return [now.st_ino, size, now.st_mtime_ns, now.st_ctime_ns]
