"""How long the stages took: a log beside their outputs, of which DVC knows nothing.

Outputs are the same bytes whenever and wherever they are made, so times cannot stand in them. A stage that DVC takes
from its cache has no record here, and `make clean` deletes them all.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from pipeline.common.files import read_json, write_json
from pipeline.timing.energy import EnergyMeter

TIMES = Path(".roundabout") / "times"
_KEPT = 20  # attempts of one stage
_SHARE = "ROUNDABOUT_SHARE"  # "3/8": of a cluster's array of jobs (pipeline/inference/dump.py)


class Attempt(NamedTuple):
    """One process that worked on a stage."""

    begun: str
    """UTC, ISO 8601."""
    seconds: float | None
    """Wall time, imports included; None of one that was killed, or still runs."""
    ended: str
    """``finished``, ``stopped`` (Ctrl-C), ``failed``; ``running`` also of one that was killed."""
    joules: dict[str, float]
    """What the machine's meters counted meanwhile, by meter: other programs' share, too; empty where there is none."""


class Work(NamedTuple):
    """What the last result of a stage took, over all attempts since the result before."""

    seconds: float
    joules: dict[str, float]
    unknown: int
    """Attempts among them that were killed: their time is missing."""


def record(
    stage: str,
    name: str,
    seconds: float | None,
    *,
    ended: str = "finished",
    joules: dict[str, float] | None = None,
    begun: datetime | None = None,
    folder: Path = TIMES,
) -> None:
    """Appends an attempt of ``stage`` (of the start or round ``name``, "" for none); replaces it if it is running."""
    path = folder / f"{stage}@{name}.json"
    attempts = _read(path)
    moment = (begun or datetime.now(UTC)).isoformat(timespec="microseconds")
    if attempts and attempts[-1].begun == moment:
        attempts.pop()
    attempts.append(Attempt(moment, seconds, ended, joules or {}))
    write_json(path, [attempt._asdict() for attempt in attempts[-_KEPT:]])


def read(folder: Path = TIMES) -> dict[tuple[str, str], list[Attempt]]:
    """All attempts that are known, oldest first, by (stage, name of the start or round, or "")."""
    found = {}
    for path in sorted(folder.glob("*@*.json")):
        stage, _, name = path.stem.partition("@")
        found[stage, name] = _read(path)
    return found


def last_work(attempts: list[Attempt]) -> Work | None:
    """What the last finished result took, with the attempts before it that it resumed; None before the first."""
    finished = [place for place, attempt in enumerate(attempts) if attempt.ended == "finished"]
    if not finished:
        return None
    begin = finished[-2] + 1 if len(finished) > 1 else 0
    counted = attempts[begin : finished[-1] + 1]
    joules: dict[str, float] = {}
    for attempt in counted:
        for meter, value in attempt.joules.items():
            joules[meter] = joules.get(meter, 0.0) + value
    unknown = sum(attempt.seconds is None for attempt in counted)
    return Work(sum(attempt.seconds or 0.0 for attempt in counted), joules, unknown)


def last_works(folder: Path = TIMES) -> dict[tuple[str, str], Work]:
    """What the last result of each stage took, by (stage, name); stages without a result are left out.

    Of shares that are made side by side the longest counts, and what all of them consumed.
    """
    shares: dict[tuple[str, str], dict[str, list[list[Attempt]]]] = {}
    for (stage, known), attempts in read(folder).items():
        name, _, share = known.partition("~")
        shares.setdefault((stage, name), {}).setdefault(share.partition("of")[2], []).append(attempts)
    found = {key: _newest_whole(by_total) for key, by_total in shares.items()}
    return {key: work for key, work in found.items() if work is not None}


def _newest_whole(by_total: dict[str, list[list[Attempt]]]) -> Work | None:
    """Of the divisions of a stage ("" for none, "8" for eight shares) the last one of which every share is there."""
    for total, logs in sorted(by_total.items(), key=lambda item: _last_begun(item[1]), reverse=True):
        works = [work for log in logs if (work := last_work(log)) is not None]
        if len(works) == int(total or 1):
            return _together(works)
    return None


def _last_begun(logs: list[list[Attempt]]) -> str:
    return max((attempt.begun for log in logs for attempt in log), default="")


def _together(works: list[Work]) -> Work:
    joules: dict[str, float] = {}
    for work in works:
        for meter, value in work.joules.items():
            joules[meter] = joules.get(meter, 0.0) + value
    return Work(max(work.seconds for work in works), joules, sum(work.unknown for work in works))


@contextmanager
def recorded(stage: str, name: str, since: float) -> Iterator[None]:
    """Records the block as an attempt that began at ``since`` (time.monotonic()); a log that cannot be written is none.

    It is noted as running first, so that a kill leaves a trace. Each task of a cluster's array notes the share that it
    makes in a file of its own: they run at the same time.
    """
    if _SHARE in os.environ:
        name = f"{name}~{os.environ[_SHARE].replace('/', 'of')}"
    before = time.monotonic() - since
    begun = datetime.fromtimestamp(time.time() - before, UTC)
    meter = EnergyMeter()
    _note(stage, name, None, "running", begun, {})
    ended = "failed"
    try:
        yield
        ended = "finished"
    except KeyboardInterrupt:
        ended = "stopped"
        raise
    finally:
        _note(stage, name, time.monotonic() - since, ended, begun, meter.joules())


def _note(stage: str, name: str, seconds: float | None, ended: str, begun: datetime, joules: dict[str, float]) -> None:
    with suppress(OSError):
        record(stage, name, seconds, ended=ended, joules=joules, begun=begun)


def _read(path: Path) -> list[Attempt]:
    """The attempts of one file; one that cannot be read is forgotten: this is a log, nothing depends on it."""
    try:
        return [Attempt(**row) for row in read_json(path)]
    except (OSError, ValueError, TypeError):
        return []
