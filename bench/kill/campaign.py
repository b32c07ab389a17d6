"""Kill, continue, kill …: a workspace is driven to its end through many kills and compared; then the next begins."""

from __future__ import annotations

import shutil
import time
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

from bench.kill.faults import Deck, Fault, Kind
from bench.kill.reference import Reference, new_workspace
from bench.kill.trial import Acknowledged, Run, Struck

SHARE_OF_DVC = 0.3
"""Of the kills of a stage."""
TRIES = 3
"""So often in a row `dvc repro` may fail by itself before a workspace is given up."""


class Trial(NamedTuple):
    """One fault that has happened."""

    pipeline: str
    workspace: int
    program: str
    stage: str
    signal: str
    victim: str
    instant: str
    detail: str
    seconds: float
    torn: list[str]
    """Files of DVC that were cut, and were set aside."""
    problems: list[str]


class Campaign:
    """A reference, and the faults that its copies have had."""

    def __init__(self, reference: Reference, seed: int, each: int, kinds: tuple[Kind, ...]) -> None:
        self._reference, self._seed, self._each, self._kinds = reference, seed, each, kinds
        self._seconds = {name: stage.seconds for name, stage in reference.stages.items()}
        """How long each stage takes; the least that was seen."""

    def drive(self, number: int, folder: Path, done: Any) -> list[str]:
        """Drive a new workspace to its end; ``done`` is called with each trial, and says whether to go on killing.

        Return what does not hold at the end.
        """
        new_workspace(self._reference, folder)
        decks = [
            Deck(
                f"{self._seed}-{number}-{of_dvc}",
                tuple(kind for kind in self._kinds if of_dvc == (kind.victim == "DVC")),
            )
            for of_dvc in (False, True)
        ]
        visits, log = Counter[str](), folder.parent / "log"
        acknowledged, failed, killing = Acknowledged(folder, self._reference), 0, True

        def choose(stage: str) -> Fault | None:
            if not killing or visits[stage] >= self._each or stage not in self._reference.stages:
                return None
            visits[stage] += 1
            known = self._reference.stages[stage]
            # DVC comes last: after many of its kills the stage is recorded, and runs no more
            of_dvc = visits[stage] > (1 - SHARE_OF_DVC) * self._each
            return decks[of_dvc].draw(stage, self._seconds[stage], known.operations, known.operations_of_dvc)

        while True:
            began = time.monotonic()
            struck = Run(folder, log, choose).watch()
            problems, torn = acknowledged.problems(struck)
            problems += struck.problems
            if not struck.killed and struck.ended != 0:
                failed += 1
                problems.append(f"does not continue: {_last_lines(log)}")
            for trial in self._trials(number, struck, time.monotonic() - began, torn, problems):
                killing = done(trial)
            self._seconds |= {
                name: min(seconds, self._seconds.get(name, seconds)) for name, seconds in struck.seconds.items()
            }
            if failed == TRIES:
                return ["given up"]
            if struck.ended == 0:
                break
        return acknowledged.at_the_end()

    def _trials(self, number: int, struck: Struck, seconds: float, torn: list[str], problems: list[str]) -> list[Trial]:
        """Return the faults of a run, the last with what it led to; a failure without a fault is a trial, too."""
        name, trials = self._reference.folder.name, []
        for fault, detail in struck.faults:
            program, kind = fault.stage.partition("@")[0], fault.kind
            trials.append(Trial(name, number, program, fault.stage, *kind[:3], detail, seconds, [], []))
        if problems and not trials:
            trials = [Trial(name, number, "", "", "", "", "", "after the faults before", seconds, [], [])]
        return [*trials[:-1], *(trial._replace(torn=torn, problems=problems) for trial in trials[-1:])]


def _last_lines(log: Path) -> str:
    text = log.read_text(encoding="utf-8", errors="replace")
    return " / ".join(line.strip() for line in text.splitlines()[-6:] if line.strip())[-400:]


def clean(folder: Path) -> None:
    """Delete a workspace."""
    shutil.rmtree(folder, ignore_errors=True)
