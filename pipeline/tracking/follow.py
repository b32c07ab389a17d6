"""The tracker's run of a training: begun, continued after a kill without a point twice, and found by the evaluation.

A tracker never stops a training: if it fails, a line says so, and the curves go on in their files.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pipeline.common.files import read_json, write_json
from pipeline.tracking.results import results_in
from pipeline.tracking.tracker import Tracker, open_tracker

RECORDS = Path(".roundabout") / "log"
Receiver = Callable[[Mapping[str, float], int], None]
"""Takes a point of all curves, and its step."""


class _Following:
    """Hands points on; those up to the step of the record are there already: the process before was killed later."""

    def __init__(self, tracker: Tracker, name: str, record: dict[str, Any]) -> None:
        self._tracker, self._name, self._record, self._fails = tracker, name, record, False

    def point(self, values: Mapping[str, float], step: int) -> None:
        if step > self._record["step"] and not self._fails:
            self._attempt(lambda: self._tracker.point(values, step))
            self._write(step=step)

    def end(self, finished: bool) -> None:
        self._attempt(self._tracker.close)
        self._write(finished=finished)

    def _attempt(self, work: Callable[[], None]) -> None:
        try:
            work()
        except Exception as error:  # of a foreign package
            self._fails = True
            complain(self._name, self._record["to"], error)

    def _write(self, **changes: Any) -> None:
        self._record |= changes
        write_json(_path(self._name), self._record)


@contextmanager
def following(log_to: str, name: str, work: str) -> Iterator[Receiver | None]:
    """Yield what takes the points of a training; None where nobody asks for them.

    ``work`` is the name of the training's working folder: another name is another training, and a run of its own.

    Raises:
        ReadableError: the tracker opens no run.
    """
    if log_to == "none":
        yield None
        return
    before = _record(name)
    resumes = {key: before.get(key) for key in ("to", "work", "finished")} == {
        "to": log_to,
        "work": work,
        "finished": False,
    }
    tracker = open_tracker(log_to, name, before["run"] if resumes else None)
    step = before["step"] if resumes else 0
    record = {"to": log_to, "run": tracker.run, "work": work, "step": step, "finished": False}
    follower = _Following(tracker, name, record)
    finished = False
    try:
        yield follower.point
        finished = True
    finally:
        follower.end(finished)


def log_results(log_to: str, name: str, folder: Path) -> None:
    """Add what the evaluation has written into a run's folder to the run of its training, or to a new one."""
    if log_to == "none":
        return
    try:
        record = _record(name)
        known = record.get("to") == log_to
        tracker = open_tracker(log_to, name, record["run"] if known else None)
        tracker.results(results_in(folder), record["step"] if known else 0)
        tracker.close()
    except Exception as error:  # of a foreign package: the evaluation itself is done
        complain(name, log_to, error)


def complain(name: str, log_to: str, error: Exception) -> None:
    """Say that a tracker fails, without stopping for it."""
    print(f"{name}: nothing more goes to {log_to} ({type(error).__name__}: {error})", file=sys.stderr, flush=True)


def _path(name: str) -> Path:
    return RECORDS / f"{name}.json"


def _record(name: str) -> dict[str, Any]:
    path = _path(name)
    record: dict[str, Any] = read_json(path) if path.is_file() else {}
    return record
