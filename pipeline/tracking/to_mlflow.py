"""MLflow: a data base below logs/, or the server that MLFLOW_TRACKING_URI names.

Not a ``file:`` store, which MLflow 3.13 refuses by default (https://github.com/mlflow/mlflow/issues/18534).
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Any

from pipeline.tracking.to_tensorboard import table_as_text
from pipeline.tracking.tracker import LOGS, Results

EXPERIMENT = "roundabout"


class MLflow:
    """A run of the experiment that MLFLOW_EXPERIMENT_NAME names, or of ``roundabout``."""

    def __init__(self, name: str, run: str | None) -> None:
        import mlflow

        address = os.environ.get("MLFLOW_TRACKING_URI")
        if address is None:
            LOGS.mkdir(parents=True, exist_ok=True)
        self._client: Any = mlflow.MlflowClient(tracking_uri=address or f"sqlite:///{LOGS / 'mlflow.db'}")
        self.run = run or self._client.create_run(self._experiment(address is None), run_name=name).info.run_id

    def _experiment(self, here: bool) -> str:
        name = os.environ.get("MLFLOW_EXPERIMENT_NAME", EXPERIMENT)
        experiment = self._client.get_experiment_by_name(name)
        if experiment is not None:
            return str(experiment.experiment_id)
        artifacts = (LOGS / "mlflow-artifacts").resolve().as_uri() if here else None
        return str(self._client.create_experiment(name, artifact_location=artifacts))

    def point(self, values: Mapping[str, float], step: int) -> None:
        """Add a point to each curve, on disk when this returns."""
        for name, value in values.items():
            self._client.log_metric(self.run, re.sub(r"[^/\w.\- :]", "_", name), value, step=step)

    def results(self, results: Results, step: int) -> None:
        """Add metrics, the table and the pictures, as of a step."""
        self.point({f"evaluation/{name}": value for name, value in results.metrics.items()}, step)
        self._client.log_text(self.run, table_as_text(results.columns, results.rows), "classes.md")
        for path in results.pictures.values():
            self._client.log_artifact(self.run, str(path), "gallery")

    def close(self) -> None:
        """End the run."""
        self._client.set_terminated(self.run)
