"""TensorBoard, by torch's own writer: ``tensorboard --logdir logs/tensorboard``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from pipeline.tracking.tracker import LOGS, Results


class TensorBoard:
    """A folder of event files; a run that is opened again gets one more file."""

    def __init__(self, name: str, run: str | None) -> None:
        from torch.utils.tensorboard import SummaryWriter

        root = LOGS / "tensorboard"
        self.run = run or _free_name(root, name)
        self._writer: Any = SummaryWriter(root / self.run)

    def point(self, values: Mapping[str, float], step: int) -> None:
        """Add a point to each curve, on disk when this returns."""
        for name, value in values.items():
            self._writer.add_scalar(name, value, step)
        self._writer.flush()

    def results(self, results: Results, step: int) -> None:
        """Add metrics, the table and the pictures, as of a step."""
        self.point({f"evaluation/{name}": value for name, value in results.metrics.items()}, step)
        self._writer.add_text("evaluation/classes", table_as_text(results.columns, results.rows), step)
        for name, path in results.pictures.items():
            with Image.open(path) as picture:
                pixel_HW3 = np.asarray(picture.convert("RGB"))
            self._writer.add_image(f"gallery/{name}", pixel_HW3, step, dataformats="HWC")

    def close(self) -> None:
        """End the run."""
        self._writer.close()


def _free_name(root: Path, name: str) -> str:
    names = (name if number == 1 else f"{name}-{number}" for number in count(1))
    return next(free for free in names if not (root / free).exists())


def table_as_text(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """Return a table in Markdown."""
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join("| " + " | ".join(_cell(value) for value in line) + " |" for line in lines)


def _cell(value: Any) -> str:
    if value is None:
        return "–"
    return f"{value:.4f}" if isinstance(value, float) else str(value)
