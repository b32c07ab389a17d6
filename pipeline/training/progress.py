"""What a training run tells: a progress bar on a terminal, lines elsewhere, and curves through DVCLive."""

from __future__ import annotations

import csv
import os
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from torch import Tensor
from tqdm import tqdm

CURVES = Path("plots") / "metrics"
"""Where DVCLive keeps one TSV per curve (columns ``step`` and its name), below its folder."""


class Progress:
    """Means of the losses since the last line, every ``every`` steps; curves continue where a resumed run begins."""

    def __init__(self, folder: Path, name: str, first: int, steps: int, every: int) -> None:
        self._steps, self._every, self._name = steps, every, name
        self._sums: dict[str, Tensor] = {}
        self._since, self._clock = 0, time.perf_counter()
        forget_after(folder / CURVES, first)
        self._live = _open_live(folder)
        self._bar = tqdm(total=steps, initial=first, unit="step", desc=name, disable=None)
        if first:
            tqdm.write(f"{name}: resumes at step {first} of {steps}", file=sys.stderr)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.close()
        self._live.end()

    def add(self, step: int, losses: dict[str, Tensor], rate: float) -> None:
        """Takes note of a finished step."""
        for name, loss in losses.items():
            self._sums[name] = self._sums[name] + loss if name in self._sums else loss
        self._since += 1
        self._bar.update()
        if (step + 1) % self._every == 0 or step + 1 == self._steps:
            self._tell(step + 1, rate)

    def saved(self, done: int) -> None:
        """Takes note of a checkpoint."""
        self._bar.set_postfix_str(f"saved at {done}", refresh=False)

    def _tell(self, done: int, rate: float) -> None:
        means = {name: float(total) / self._since for name, total in self._sums.items()}
        self._live.step = done
        for name, mean in means.items():
            self._live.log_metric(f"loss/{name}", mean, plot=True)
        self._live.log_metric("learning_rate", rate, plot=True)
        self._live.make_summary()
        if self._bar.disable:
            pace = self._since / (time.perf_counter() - self._clock)
            shown = "  ".join(f"{name} {mean:.4f}" for name, mean in means.items())
            print(f"{self._name}: step {done}/{self._steps}  {shown}  {pace:.1f} steps/s", flush=True)
        self._sums, self._since, self._clock = {}, 0, time.perf_counter()


def _open_live(folder: Path):  # type: ignore[no-untyped-def]  # dvclive has no types
    os.environ.setdefault("DVCLIVE_LOGLEVEL", "ERROR")
    from dvclive.live import Live  # imported here: it takes a second, which a stage that does not train need not pay

    return Live(str(folder), resume=True, report=None, save_dvc_exp=False, dvcyaml=None, monitor_system=False)


def forget_after(folder: Path, step: int) -> None:
    """Drops the rows of all curves beyond ``step``: those steps are about to be made again."""
    for path in folder.rglob("*.tsv"):
        with path.open(newline="", encoding="utf-8") as file:
            header, *rows = list(csv.reader(file, delimiter="\t"))
        column = header.index("step")
        kept = [row for row in rows if int(row[column]) <= step]
        with path.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file, delimiter="\t", lineterminator="\n").writerows([header, *kept])
