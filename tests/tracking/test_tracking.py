"""Curves and results in TensorBoard, MLflow and W&B: each point once, and never a training that stops for them."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from PIL import Image

from pipeline.common.errors import ReadableError
from pipeline.tracking import tracker as trackers
from pipeline.tracking.follow import following, log_results
from pipeline.tracking.results import curves_in, results_in
from pipeline.training.progress import Progress, received_by


class Killed(BaseException):
    """A process that ends."""


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_NAME", "WANDB_MODE", "WANDB_PROJECT"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


@pytest.fixture
def run_folder(here: Path) -> Path:
    folder = here / "runs" / "lse-1"
    (folder / "gallery").mkdir(parents=True)
    Image.new("RGB", (8, 4), (9, 8, 7)).save(folder / "gallery" / "0-input.png")
    metrics = {"mIoU": 0.5, "pixel_accuracy": 0.9, "pseudo_labels": {"coverage": 0.4, "precision": None, "images": 3}}
    (folder / "metrics.json").write_text(json.dumps(metrics))
    table = {"road": {"IoU": 0.7}, "sky & air": {"IoU": None, "pseudo_label_precision": 0.5}}
    (folder / "per_class.json").write_text(json.dumps(table))
    return folder


@pytest.fixture
def mlflow(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """A module with the calls of MLflow's client that are used; returns what they were given."""
    calls: dict[str, Any] = {"runs": [], "metrics": [], "files": [], "uri": None}

    class Client:
        def __init__(self, tracking_uri: str) -> None:
            calls["uri"] = tracking_uri

        def get_experiment_by_name(self, name: str) -> None:
            return None

        def create_experiment(self, name: str, artifact_location: str | None) -> str:
            calls["artifacts"] = artifact_location
            return "7"

        def create_run(self, experiment: str, run_name: str) -> SimpleNamespace:
            calls["runs"].append((experiment, run_name))
            return SimpleNamespace(info=SimpleNamespace(run_id=f"run {len(calls['runs'])}"))

        def log_metric(self, run: str, name: str, value: float, step: int) -> None:
            calls["metrics"].append((run, name, value, step))

        def log_text(self, run: str, text: str, file: str) -> None:
            calls["files"].append((run, file, text))

        def log_artifact(self, run: str, path: str, folder: str) -> None:
            calls["files"].append((run, folder, Path(path).name))

        def set_terminated(self, run: str) -> None:
            calls["files"].append((run, "end", ""))

    module = ModuleType("mlflow")
    module.MlflowClient = Client  # type: ignore[attr-defined]
    module.__spec__ = SimpleNamespace(name="mlflow")  # type: ignore[assignment]
    monkeypatch.setitem(sys.modules, "mlflow", module)
    return calls


def test_a_missing_package_is_named_with_its_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trackers, "find_spec", lambda name: None)
    assert trackers.missing("none") is None
    for name in trackers.TRACKERS:
        assert f"{name} is not installed; pip install 'roundabout[{name}]'" in (trackers.missing(name) or "")
    with pytest.raises(ReadableError, match="mlflow is not installed"), following("mlflow", "lse-1", "work-1"):
        pytest.fail("a training has begun")


def test_a_killed_training_goes_on_in_its_run_and_logs_no_point_twice(mlflow: dict[str, Any]) -> None:
    with pytest.raises(Killed), following("mlflow", "lse-1", "work-1") as receiver:
        assert receiver is not None
        receiver({"loss/source": 2.0}, 10)
        receiver({"loss/source": 1.0}, 20)
        raise Killed
    with following("mlflow", "lse-1", "work-1") as receiver:
        assert receiver is not None
        for step in (20, 30):  # the last checkpoint was of step 10
            receiver({"loss/source": 1.0}, step)
    assert [(run, step) for run, _, _, step in mlflow["metrics"]] == [("run 1", 10), ("run 1", 20), ("run 1", 30)]
    assert (mlflow["runs"], mlflow["uri"]) == ([("7", "lse-1")], "sqlite:///logs/mlflow.db")


@pytest.mark.parametrize("work", ["work-1", "work-2"])
def test_a_finished_training_that_runs_again_is_a_run_of_its_own(mlflow: dict[str, Any], work: str) -> None:
    for name in ("work-1", work):
        with following("mlflow", "lse-1", name) as receiver:
            assert receiver is not None
            receiver({"loss/source": 2.0}, 10)
    assert [(run, step) for run, _, _, step in mlflow["metrics"]] == [("run 1", 10), ("run 2", 10)]


def test_the_evaluation_goes_to_the_run_of_its_training(mlflow: dict[str, Any], run_folder: Path) -> None:
    with following("mlflow", "lse-1", "work-1") as receiver:
        assert receiver is not None
        receiver({"loss/source": 2.0}, 10)
    log_results("mlflow", "lse-1", run_folder)
    assert mlflow["metrics"][1:] == [
        ("run 1", "evaluation/mIoU", 0.5, 10),
        ("run 1", "evaluation/pixel_accuracy", 0.9, 10),
        ("run 1", "evaluation/pseudo_labels/coverage", 0.4, 10),
    ]
    table = next(text for _, file, text in mlflow["files"] if file == "classes.md")
    assert "| road | 0.7000 | – |" in table and "| sky & air | – | 0.5000 |" in table
    assert ("run 1", "gallery", "0-input.png") in mlflow["files"]


def test_a_tracker_that_fails_stops_nothing(
    mlflow: dict[str, Any], run_folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def away(*_: Any, **__: Any) -> None:
        raise ConnectionError("the server is away")

    monkeypatch.setattr(sys.modules["mlflow"].MlflowClient, "log_metric", away)
    with following("mlflow", "lse-1", "work-1") as receiver:
        assert receiver is not None
        for step in (10, 20):
            receiver({"loss/source": 2.0}, step)
    log_results("mlflow", "lse-1", run_folder)
    message = "lse-1: nothing more goes to mlflow (ConnectionError: the server is away)"
    assert capsys.readouterr().err.splitlines() == [message, message]  # of the training, and of the evaluation


def test_wandb_is_offline_unless_its_variable_says_otherwise(run_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begun, logged = [], []
    run = SimpleNamespace(id="abc", log=lambda values, step=None: logged.append((values, step)), finish=lambda: None)
    module = ModuleType("wandb")
    module.init = lambda **options: begun.append(options) or run  # type: ignore[attr-defined]
    module.Table = lambda columns, data: (columns, data)  # type: ignore[attr-defined]
    module.Image = lambda path: Path(path).name  # type: ignore[attr-defined]
    module.__spec__ = SimpleNamespace(name="wandb")  # type: ignore[assignment]
    monkeypatch.setitem(sys.modules, "wandb", module)
    with following("wandb", "lse-1", "work-1") as receiver:
        assert receiver is not None
        receiver({"loss/source": 2.0}, 10)
    monkeypatch.setenv("WANDB_MODE", "online")
    log_results("wandb", "lse-1", run_folder)
    assert [(options["mode"], options["id"]) for options in begun] == [("offline", None), ("online", "abc")]
    assert logged[0] == ({"loss/source": 2.0}, 10)
    values, step = logged[1]
    assert (values["evaluation/mIoU"], values["gallery/0-input"], step) == (0.5, "0-input.png", None)
    assert values["evaluation/classes"][1] == [["road", 0.7, None], ["sky & air", None, 0.5]]


def test_all_curves_of_a_training_are_received_and_read_back(here: Path) -> None:
    import torch

    received: list[tuple[dict[str, float], int]] = []
    with (
        received_by(lambda values, step: received.append((dict(values), step))),
        Progress(here, "lse-1", 0, 4, 2, {}, micro_batches=2) as progress,
    ):
        for step in range(4):
            progress.add(step, {"source": torch.tensor(float(step))}, 0.1)
    expected = {2: {"loss/source": 0.5}, 4: {"loss/source": 2.5}}
    assert {step: values for values, step in received} == curves_in(here)
    for step, values in expected.items():
        assert curves_in(here)[step] == values | {"learning_rate": 0.1, "micro_batches": 2}


def test_tensorboard_reads_back_what_was_logged(run_folder: Path, here: Path) -> None:
    reading = pytest.importorskip(
        "tensorboard.backend.event_processing.event_accumulator", reason="tensorboard is not installed"
    )
    with pytest.raises(Killed), following("tensorboard", "lse-1", "work-1") as receiver:
        assert receiver is not None
        receiver({"loss/source": 2.0, "learning_rate": 0.1}, 10)
        receiver({"loss/source": 1.0, "learning_rate": 0.1}, 20)
        raise Killed
    with following("tensorboard", "lse-1", "work-1") as receiver:
        assert receiver is not None
        for step in (20, 30):
            receiver({"loss/source": 1.0, "learning_rate": 0.1}, step)
    log_results("tensorboard", "lse-1", run_folder)
    with following("tensorboard", "lse-1", "work-2"):
        pass
    assert sorted(path.name for path in (here / "logs" / "tensorboard").iterdir()) == ["lse-1", "lse-1-2"]
    events = reading.EventAccumulator(str(here / "logs" / "tensorboard" / "lse-1"))
    events.Reload()
    assert [(event.step, event.value) for event in events.Scalars("loss/source")] == [(10, 2.0), (20, 1.0), (30, 1.0)]
    assert events.Scalars("evaluation/mIoU")[0].step == 30
    assert events.Images("gallery/0-input")[0].width == 8
    assert b"sky & air" in events.Tensors("evaluation/classes/text_summary")[0].tensor_proto.string_val[0]


def test_results_of_a_run_without_pseudo_labels(run_folder: Path) -> None:
    (run_folder / "metrics.json").write_text(json.dumps({"mIoU": None, "pixel_accuracy": 1}))
    assert results_in(run_folder).metrics == {"pixel_accuracy": 1}
