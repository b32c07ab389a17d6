"""Weights & Biases, offline unless WANDB_MODE says otherwise: ``wandb sync logs/wandb/offline-run-*`` uploads."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from pipeline.tracking.tracker import LOGS, Results

PROJECT = "roundabout"


class WandB:
    """A run of the project that WANDB_PROJECT names, or of ``roundabout``."""

    def __init__(self, name: str, run: str | None) -> None:
        import wandb

        LOGS.mkdir(parents=True, exist_ok=True)
        self._wandb: Any = wandb
        self._run: Any = wandb.init(
            project=os.environ.get("WANDB_PROJECT", PROJECT),
            name=name,
            id=run,
            resume="allow",
            dir=str(LOGS),
            mode=os.environ.get("WANDB_MODE", "offline"),
        )
        self.run = str(self._run.id)

    def point(self, values: Mapping[str, float], step: int) -> None:
        """Add a point to each curve."""
        self._run.log(dict(values), step=step)

    def results(self, results: Results, step: int) -> None:
        """Add metrics, the table and the pictures, after the last step: W&B takes no step twice."""
        table = self._wandb.Table(columns=list(results.columns), data=[list(row) for row in results.rows])
        pictures = {f"gallery/{name}": self._wandb.Image(str(path)) for name, path in results.pictures.items()}
        metrics = {f"evaluation/{name}": value for name, value in results.metrics.items()}
        self._run.log({**metrics, "evaluation/classes": table, **pictures})

    def close(self) -> None:
        """End the run."""
        self._run.finish()
