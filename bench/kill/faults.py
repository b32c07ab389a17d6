"""What is done to whom and when, drawn from a seed."""

from __future__ import annotations

import random
from typing import Literal, NamedTuple

Victim = Literal["stage", "DVC", "both"]
Instant = Literal["time", "clean", "torn"]


class Kind(NamedTuple):
    """A signal, who gets it, and whether at a random time or at a file operation: before it, or in its middle."""

    signal: str
    victim: Victim
    instant: Instant
    file: str = ""
    """Only operations on files of that name count."""

    @property
    def at_an_operation(self) -> bool:
        return self.instant != "time"

    @property
    def lethal(self) -> bool:
        return self.signal != "SIGSTOP"


AT_A_TIME = (
    Kind("SIGKILL", "stage", "time"),
    Kind("SIGKILL", "stage", "time"),
    Kind("SIGKILL", "DVC", "time"),
    Kind("SIGKILL", "both", "time"),
    Kind("SIGTERM", "stage", "time"),
    Kind("SIGTERM", "DVC", "time"),
    Kind("SIGTERM", "both", "time"),
    Kind("SIGINT", "both", "time"),
    Kind("SIGSTOP", "stage", "time"),
    Kind("SIGSTOP", "DVC", "time"),
)
"""SIGINT goes to both, as Ctrl-C does."""
AT_AN_OPERATION = (
    *[Kind("SIGKILL", "stage", "clean")] * 3,
    *[Kind("SIGKILL", "stage", "torn")] * 3,
    *[Kind("SIGKILL", "DVC", "clean")] * 2,
    *[Kind("SIGKILL", "DVC", "torn")] * 2,
    Kind("SIGKILL", "DVC", "clean", "dvc.lock"),
    Kind("SIGKILL", "DVC", "torn", "dvc.lock"),
)


AFTERWARDS = 0.7
"""Seconds after a stage in which DVC records it and looks at the next."""


FEW = 4
"""Operations with which DVC writes dvc.lock, at least."""


class Fault(NamedTuple):
    kind: Kind
    stage: str
    seconds: float = 0.0
    """After the stage has begun."""
    number: int = 0
    """Of the file operation: of the stage, or of DVC after the stage has ended."""


class Deck:
    """Draws kinds for the stages of a program in a shuffled order, each as often as the others."""

    def __init__(self, seed: str, kinds: tuple[Kind, ...]) -> None:
        self._random = random.Random(seed)
        self._kinds = kinds
        self._left: dict[str, list[Kind]] = {}
        self._numbers: dict[tuple[str, bool], list[int]] = {}

    def draw(self, stage: str, seconds: float, operations: int, operations_of_dvc: int) -> Fault:
        """Return a fault for a stage which takes so long, and in which there are so many file operations."""
        program = stage.partition("@")[0]
        if not self._left.get(program):
            self._left[program] = self._random.sample(self._kinds, len(self._kinds))
        kind = self._left[program].pop()
        if not kind.at_an_operation:
            more = AFTERWARDS if kind.victim == "DVC" else 0.0
            return Fault(kind, stage, seconds=self._random.uniform(0, seconds + more))
        if kind.file:
            return Fault(kind, stage, number=self._random.randint(1, FEW))
        of_dvc = kind.victim == "DVC"
        return Fault(kind, stage, number=self._number(program, of_dvc, operations_of_dvc if of_dvc else operations))

    def _number(self, program: str, of_dvc: bool, operations: int) -> int:
        """Return a number that has not been drawn for this program, while there is one."""
        left = self._numbers.get((program, of_dvc))
        if not left:
            left = self._random.sample(range(1, max(operations, 1) + 1), max(operations, 1))
            self._numbers[program, of_dvc] = left
        return left.pop()
