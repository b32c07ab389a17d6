"""Which job may start now: without Prefect, DVC or a clock."""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from enum import StrEnum
from graphlib import TopologicalSorter
from typing import NamedTuple


class Outcome(StrEnum):
    """How a job ended."""

    ran = "ran"
    cached = "cached"
    failed = "failed"
    blocked = "blocked"
    """Not started: a job that it needs has failed."""
    stopped = "stopped"
    """Not started: its chain of rounds was ended early."""


class Job(NamedTuple):
    """One stage in one workspace."""

    name: str
    """Unique among the scheduler's jobs."""
    needs: tuple[str, ...] = ()
    """Jobs that come first."""
    slot: bool = False
    """Whether it takes one of the GPU slots."""
    seconds: float = 0.0
    """Estimate: jobs at the head of long chains go first."""
    tolerant: bool = False
    """Whether it runs when the jobs that it needs have ended, successfully or not: a report."""


class Scheduler:
    """Jobs that wait, run and have ended; at most ``slots`` with a slot and ``light`` without one run at a time."""

    def __init__(self, jobs: Iterable[Job], *, slots: int, light: int) -> None:
        named = {job.name: job for job in jobs}
        order = TopologicalSorter({name: job.needs for name, job in named.items()}).static_order()
        self.jobs = {name: named[name] for name in order}
        self.outcomes: dict[str, Outcome] = {}
        self._free = {True: slots, False: light}
        self._needed_by: dict[str, list[str]] = {name: [] for name in self.jobs}
        self._missing: dict[str, int] = {}
        for job in self.jobs.values():
            self._missing[job.name] = len(job.needs)
            for needed in job.needs:
                self._needed_by[needed].append(job.name)
        self._urgency = self._longest_paths()
        self._ready: dict[bool, list[tuple[float, int, str]]] = {True: [], False: []}
        self._number = {name: number for number, name in enumerate(self.jobs)}
        self._started: set[str] = set()
        for job in self.jobs.values():
            self._offer(job.name)

    def _longest_paths(self) -> dict[str, float]:
        """Return the seconds from each job's start to the end of all that follows; one second without an estimate."""
        longest: dict[str, float] = {}
        for name, job in reversed(self.jobs.items()):
            after = max((longest[later] for later in self._needed_by[name]), default=0.0)
            longest[name] = after + (job.seconds or 1.0)
        return longest

    def _offer(self, name: str) -> None:
        if not self._missing[name] and name not in self.outcomes and name not in self._started:
            job = self.jobs[name]
            heapq.heappush(self._ready[job.slot], (-self._urgency[name], self._number[name], name))

    def take(self) -> list[Job]:
        """Return the jobs that start now, the most urgent first; they count as running from here on."""
        starting = []
        for slot in (True, False):
            while self._free[slot] and self._ready[slot]:
                name = heapq.heappop(self._ready[slot])[2]
                if name in self.outcomes:
                    continue  # stopped while it was ready
                self._free[slot] -= 1
                self._started.add(name)
                starting.append(self.jobs[name])
        return starting

    def end(self, name: str, outcome: Outcome) -> None:
        """Record how a running job ended; jobs that need a failed one are blocked."""
        self._free[self.jobs[name].slot] += 1
        self._started.discard(name)
        self._settle(name, outcome)

    def stop(self, names: Iterable[str]) -> list[str]:
        """End the jobs that have not started, and return them; running ones go on."""
        stopped = [name for name in names if name not in self.outcomes and name not in self._started]
        for name in stopped:
            if name not in self.outcomes:
                self._settle(name, Outcome.stopped)
        return stopped

    def _settle(self, name: str, outcome: Outcome) -> None:
        waiting = [(name, outcome)]
        while waiting:
            name, outcome = waiting.pop()
            if name in self.outcomes:
                continue
            self.outcomes[name] = outcome
            successful = outcome in (Outcome.ran, Outcome.cached)
            for later in self._needed_by[name]:
                self._missing[later] -= 1
                if successful or (self.jobs[later].tolerant and self._has_something(later)):
                    self._offer(later)
                else:
                    inherited = Outcome.stopped if outcome is Outcome.stopped else Outcome.blocked
                    waiting.append((later, inherited))

    def _has_something(self, name: str) -> bool:
        """Whether a job that a tolerant job needs is still to come or was successful."""
        ended = [self.outcomes.get(needed) for needed in self.jobs[name].needs]
        return any(outcome in (None, Outcome.ran, Outcome.cached) for outcome in ended)

    @property
    def running(self) -> set[str]:
        """Jobs that have started and not ended."""
        return set(self._started)

    @property
    def finished(self) -> bool:
        """Whether all jobs have ended, or will never start."""
        return len(self.outcomes) == len(self.jobs)


def simulate(scheduler: Scheduler) -> dict[str, tuple[float, float]]:
    """Play the schedule by the jobs' estimates; return when each job starts and ends, in seconds."""
    now = 0.0
    spans: dict[str, tuple[float, float]] = {}
    clock: list[tuple[float, int, str]] = []
    while not scheduler.finished:
        for job in scheduler.take():
            spans[job.name] = (now, now + job.seconds)
            heapq.heappush(clock, (now + job.seconds, len(spans), job.name))
        now, _, name = heapq.heappop(clock)
        scheduler.end(name, Outcome.ran)
    return spans
