"""Progress of a training run: a bar on a terminal, lines elsewhere, and one curve per loss."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from types import TracebackType
from typing import Self

from torch import Tensor
from tqdm import tqdm

from pipeline.common.files import write_text

CURVES = Path("curves")
"""Folder of the curves below that of the progress: TSV files with the columns ``step`` and the curve's name."""

Receiver = Callable[[Mapping[str, float], int], None]
"""Takes a point of all curves by their names, and its step; a resumed run may bring points a second time."""
_receiver: ContextVar[Receiver | None] = ContextVar("receiver", default=None)


@contextmanager
def received_by(receiver: Receiver | None) -> Iterator[None]:
    """Within the block, hand every point of the curves to ``receiver``, too."""
    token = _receiver.set(receiver)
    try:
        yield
    finally:
        _receiver.reset(token)


class Progress:
    """Means of the losses over every ``every`` steps; the curves continue where a resumed run begins."""

    def __init__(
        self,
        folder: Path,
        name: str,
        first: int,
        steps: int,
        every: int,
        sums: dict[str, Tensor],
        micro_batches: int = 1,
    ) -> None:
        self._curves, self._name, self._steps, self._every = folder / CURVES, name, steps, every
        self._micro_batches = micro_batches
        self.sums = sums
        """Losses added up since the last point of the curves; a checkpoint keeps them, so that curves resume too."""
        self._since, self._clock = first % every, time.perf_counter()
        self._seen = 0
        cut_curves(self._curves, first)
        self._bar = tqdm(total=steps, initial=first, unit="step", desc=name, disable=None)
        if first:
            tqdm.write(f"{name}: resumes at step {first} of {steps}", file=sys.stderr)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.close()

    def add(self, step: int, losses: dict[str, Tensor], rate: float) -> None:
        """Add the losses of a finished step, and write a point of the curves when one is due."""
        for name, loss in losses.items():
            self.sums[name] = self.sums[name].to(loss.device) + loss if name in self.sums else loss
        self._since += 1
        self._seen += 1
        self._bar.update()
        if (step + 1) % self._every == 0 or step + 1 == self._steps:
            self._write_point(step + 1, rate)

    def saved(self, done: int) -> None:
        """Show that a checkpoint was written after ``done`` steps."""
        self._bar.set_postfix_str(f"saved at {done}", refresh=False)

    def _write_point(self, done: int, rate: float) -> None:
        means = {name: float(total) / self._since for name, total in self.sums.items()}
        points = {f"loss/{name}": mean for name, mean in means.items()} | {"learning_rate": rate}
        if self._micro_batches > 1:  # the curves say where memory was short
            points["micro_batches"] = self._micro_batches
        for name, value in points.items():
            append_point(self._curves / f"{name}.tsv", done, value)
        receiver = _receiver.get()
        if receiver is not None:
            receiver(points, done)
        if self._bar.disable:
            pace = self._seen / (time.perf_counter() - self._clock)
            losses = "  ".join(f"{name} {mean:.4f}" for name, mean in means.items())
            print(f"{self._name}: step {done}/{self._steps}  {losses}  {pace:.1f} steps/s", flush=True)
        self.sums, self._since, self._seen, self._clock = {}, 0, 0, time.perf_counter()


class NullProgress(Progress):
    """Progress of every process but the first of several: shows and writes nothing."""

    def __init__(
        self,
        folder: Path,
        name: str,
        first: int,
        steps: int,
        every: int,
        sums: dict[str, Tensor],
        micro_batches: int = 1,
    ) -> None:
        self.sums = {}

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    def add(self, step: int, losses: dict[str, Tensor], rate: float) -> None:
        """Do nothing."""

    def saved(self, done: int) -> None:
        """Do nothing."""


def append_point(path: Path, step: int, value: float) -> None:
    """Append one row to a curve; a new file begins with its header."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        if file.tell() == 0:
            file.write(f"step\t{path.stem}\n")
        file.write(f"{step}\t{value!r}\n")


def cut_curves(folder: Path, step: int) -> None:
    """Drop the rows of all curves beyond ``step``, which are about to be written again, and what a kill left torn."""
    for path in folder.rglob("*.tsv"):
        header, *rows = [line.split("\t") for line in path.read_text(encoding="utf-8").split("\n")[:-1]] or [[]]
        if "step" not in header:
            path.unlink()
            continue
        column = header.index("step")
        kept = [row for row in rows if len(row) == len(header) and row[column].isdigit() and int(row[column]) <= step]
        write_text(path, "".join("\t".join(row) + "\n" for row in [header, *kept]))
