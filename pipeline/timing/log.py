"""How long the stages took: a log beside their outputs, which DVC does not know.

Outputs are the same bytes whenever and wherever they are computed, so times cannot be part of them. A stage that DVC
takes from its cache has no record here, and `make clean` deletes all of them.
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
    """Energy by meter, other programs' share included; empty without meters."""


class Work(NamedTuple):
    """Cost of one result of a stage, over all attempts since the result before."""

    seconds: float
    joules: dict[str, float]
    unknown: int
    """Attempts among them that were killed: their time is missing."""


Key = tuple[str, str]
"""Program in stages/, and name of the run ("" for none)."""


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
    """Append an attempt of ``stage`` (of the run ``name``, "" for none); replace it if it is running."""
    path = folder / f"{stage}@{name}.json"
    attempts = _read(path)
    moment = (begun or datetime.now(UTC)).isoformat(timespec="microseconds")
    if attempts and attempts[-1].begun == moment:
        attempts.pop()
    attempts.append(Attempt(moment, seconds, ended, joules or {}))
    write_json(path, [attempt._asdict() for attempt in attempts[-_KEPT:]])


def read(folder: Path = TIMES) -> dict[Key, list[Attempt]]:
    """Return all known attempts, oldest first, by program and run."""
    attempts = {}
    for path in sorted(folder.glob("*@*.json")):
        stage, _, name = path.stem.partition("@")
        attempts[stage, name] = _read(path)
    return attempts


def works_of(attempts: list[Attempt]) -> list[Work]:
    """Return the cost of each finished result, with the attempts before it that it resumed; oldest first."""
    works = []
    counted: list[Attempt] = []
    for attempt in attempts:
        counted.append(attempt)
        if attempt.ended == "finished":
            works.append(_sum(counted))
            counted = []
    return works


def _sum(attempts: list[Attempt]) -> Work:
    joules = _total([attempt.joules for attempt in attempts])
    unknown = sum(attempt.seconds is None for attempt in attempts)
    return Work(sum(attempt.seconds or 0.0 for attempt in attempts), joules, unknown)


def _total(meters: list[dict[str, float]]) -> dict[str, float]:
    names = dict.fromkeys(name for joules in meters for name in joules)
    return {name: sum(joules.get(name, 0.0) for joules in meters) for name in names}


def last_works(folder: Path = TIMES) -> dict[Key, Work]:
    """Return the cost of the last result of each stage; stages without a result are left out."""
    return {key: works[-1] for key, works in all_works(folder).items()}


def all_works(folder: Path = TIMES) -> dict[Key, list[Work]]:
    """Return the costs of the results of each stage, oldest first; stages without a result are left out.

    Of shares that ran side by side the longest counts, with the energy of all; of those, only the last result.
    """
    shares: dict[Key, dict[str, list[list[Attempt]]]] = {}
    for (stage, known), attempts in read(folder).items():
        name, _, share = known.partition("~")
        shares.setdefault((stage, name), {}).setdefault(share.partition("of")[2], []).append(attempts)
    works = {key: _newest_whole(by_total) for key, by_total in shares.items()}
    return {key: results for key, results in works.items() if results}


def _newest_whole(by_total: dict[str, list[list[Attempt]]]) -> list[Work]:
    """Return the results of the last division of a stage ("" for none, "8" for eight shares) that is complete."""
    for total, logs in sorted(by_total.items(), key=lambda item: _last_begun(item[1]), reverse=True):
        works = [works for log in logs if (works := works_of(log))]
        if len(works) == int(total or 1):
            return works[0] if len(works) == 1 else [_together([of_share[-1] for of_share in works])]
    return []


def _last_begun(logs: list[list[Attempt]]) -> str:
    return max((attempt.begun for log in logs for attempt in log), default="")


def _together(works: list[Work]) -> Work:
    joules = _total([work.joules for work in works])
    return Work(max(work.seconds for work in works), joules, sum(work.unknown for work in works))


@contextmanager
def recorded(stage: str, name: str, since: float) -> Iterator[None]:
    """Record the block as an attempt that began at ``since`` (time.monotonic()). Errors of writing are ignored.

    The attempt is recorded as running first, so that a kill leaves a trace. Each task of a cluster's array records its
    share in a file of its own, because they run at the same time.
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
    """Return the attempts of one file; an unreadable file counts as empty, for nothing depends on this log."""
    try:
        return [Attempt(**row) for row in read_json(path)]
    except (OSError, ValueError, TypeError):
        return []
