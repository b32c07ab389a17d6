"""What a training run tells: a progress bar on a terminal, lines elsewhere, and curves through DVCLive."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from unittest.mock import patch

from torch import Tensor
from tqdm import tqdm

from pipeline.common.files import write_text

CURVES = Path("plots") / "metrics"
"""Where DVCLive keeps one TSV per curve (columns ``step`` and its name), below its folder."""


class Progress:
    """Means of the losses since the last line, every ``every`` steps; curves continue where a resumed run begins."""

    def __init__(
        self, folder: Path, name: str, first: int, steps: int, every: int, sums: dict[str, Tensor], pieces: int = 1
    ) -> None:
        self._steps, self._every, self._name, self._pieces = steps, every, name, pieces
        self.sums = sums
        """Losses added up since the last point of the curves; a checkpoint keeps them, so that curves resume too."""
        self._since, self._clock = first % every, time.perf_counter()
        self._seen = 0
        forget_after(folder / CURVES, first)
        (folder / "metrics.json").unlink(missing_ok=True)  # DVCLive's summary: a kill may have torn it
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
            self.sums[name] = self.sums[name].to(loss.device) + loss if name in self.sums else loss
        self._since += 1
        self._seen += 1
        self._bar.update()
        if (step + 1) % self._every == 0 or step + 1 == self._steps:
            self._tell(step + 1, rate)

    def saved(self, done: int) -> None:
        """Takes note of a checkpoint."""
        self._bar.set_postfix_str(f"saved at {done}", refresh=False)

    def _tell(self, done: int, rate: float) -> None:
        means = {name: float(total) / self._since for name, total in self.sums.items()}
        self._live.step = done
        for name, mean in means.items():
            self._live.log_metric(f"loss/{name}", mean, plot=True)
        self._live.log_metric("learning_rate", rate, plot=True)
        if self._pieces > 1:
            self._live.log_metric("pieces", self._pieces, plot=True)  # the curves say where memory was short
        self._live.make_summary()
        if self._bar.disable:
            pace = self._seen / (time.perf_counter() - self._clock)
            shown = "  ".join(f"{name} {mean:.4f}" for name, mean in means.items())
            print(f"{self._name}: step {done}/{self._steps}  {shown}  {pace:.1f} steps/s", flush=True)
        self.sums, self._since, self._seen, self._clock = {}, 0, 0, time.perf_counter()


class Silence(Progress):
    """The progress of a process that is not the first of several: it tells nothing and writes nothing."""

    def __init__(
        self, folder: Path, name: str, first: int, steps: int, every: int, sums: dict[str, Tensor], pieces: int = 1
    ) -> None:
        self.sums = {}

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    def add(self, step: int, losses: dict[str, Tensor], rate: float) -> None:
        """Nothing."""

    def saved(self, done: int) -> None:
        """Nothing."""


def _open_live(folder: Path) -> Any:
    """DVCLive's writer, kept from opening (or making) a DVC repository around it: curves need none, nor a commit."""
    os.environ.setdefault("DVCLIVE_LOGLEVEL", "ERROR")
    import dvclive.live  # imported here: it takes half a second, which only training need pay

    with patch.object(dvclive.live, "get_dvc_repo", lambda: None):
        return dvclive.live.Live(
            str(folder), resume=True, report=None, save_dvc_exp=False, dvcyaml=None, monitor_system=False
        )


def forget_after(folder: Path, step: int) -> None:
    """Drops the rows of all curves beyond ``step``, which are about to be made again, and what a kill left torn."""
    for path in folder.rglob("*.tsv"):
        header, *rows = [line.split("\t") for line in path.read_text(encoding="utf-8").split("\n")[:-1]] or [[]]
        if "step" not in header:
            path.unlink()
            continue
        column = header.index("step")
        kept = [row for row in rows if len(row) == len(header) and row[column].isdigit() and int(row[column]) <= step]
        write_text(path, "".join("\t".join(row) + "\n" for row in [header, *kept]))
