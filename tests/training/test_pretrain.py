"""The frame of an initial model's training: its settings are the section's with the initial model's changes."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest

from pipeline.common.labels import class_set
from pipeline.datasets.prepare import prepare
from pipeline.params import Params, Training
from pipeline.training import pretrain as frame

Entered = list[tuple[Training, str]]
"""Of each training: its settings, and the name of its working folder."""


class KilledError(Exception):
    """The training is killed when it begins."""


@pytest.fixture
def entered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tiny_params: dict[str, Any]) -> Entered:
    """Prepared data; trainings that are interrupted at once."""
    monkeypatch.chdir(tmp_path)
    read = Params.model_validate(tiny_params)
    prepare(read.data, read.seed, class_set(read.classes), workers=1, progress=False)
    trainings: Entered = []

    def train_initial_model(run: Any, initial: Any, runtime: Any, device: Any, folder: Path) -> None:
        trainings.append((run.training, folder.name))
        raise KilledError

    monkeypatch.setattr(frame, "train_initial_model", train_initial_model)
    return trainings


def begin(params: dict[str, Any], section: dict[str, Any], change: dict[str, Any] | None = None) -> None:
    params = copy.deepcopy(params)
    params["pretrain"] |= section
    params["initial_models"]["control"] = {"supervision": "source"} | ({} if change is None else {"pretrain": change})
    read = Params.model_validate(params)
    with pytest.raises(KilledError):
        frame.pretrain(read, "control", read.initial_model("control"), Path("runs/control"))


def test_an_initial_model_trains_with_its_own_changes(entered: Entered, tiny_params: dict[str, Any]) -> None:
    begin(tiny_params, {"steps": 9}, {"steps": 4, "optimiser": {"learning_rate": 2e-4}})
    training, _ = entered[0]
    assert (training.steps, training.batch, training.optimiser.learning_rate) == (4, 2, 2e-4)


def test_equal_settings_are_resumed_however_they_are_written(entered: Entered, tiny_params: dict[str, Any]) -> None:
    begin(tiny_params, {"steps": 4})
    begin(tiny_params, {"steps": 9}, {"steps": 4})
    begin(tiny_params, {"steps": 4}, {"batch": 2})
    begin(tiny_params, {"steps": 9})
    begin(tiny_params, {"steps": 9}, {"batch": 1})
    folders = [folder for _, folder in entered]
    assert len(set(folders[:3])) == 1
    assert len(set(folders)) == 3
