"""The frame of a round's training: its settings are the section's with the round's changes."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.common.box import Box
from pipeline.common.files import write_text
from pipeline.common.labels import class_set
from pipeline.datasets.prepare import prepare
from pipeline.params import Adapt, Params
from pipeline.patches.file import PATCHES, PatchWriter
from pipeline.training import adapt as frame

Entered = list[tuple[Adapt, int, str]]
"""Of each training: its settings, the source's batch, and the name of its working folder."""


class KilledError(Exception):
    """The training is killed when it begins."""


@pytest.fixture
def entered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tiny_params: dict[str, Any]) -> Entered:
    """Data, an initial model and patches; trainings that are interrupted at once."""
    monkeypatch.chdir(tmp_path)
    read = Params.model_validate(tiny_params)
    prepare(read.data, read.seed, class_set(read.classes), workers=1, progress=False)
    write_text(Path("runs/lse-1/model.pt"), "a network")
    with PatchWriter(Path("runs/lse-2/patches") / PATCHES, ("a",) * 19) as writer:
        writer.add("0", Box(0, 0, 32, 64), np.zeros((32, 64, 3), np.uint8), np.zeros((32, 64), np.uint8))
    trainings: Entered = []

    def train_round(
        run: Any, entry: Any, section: Any, init: Any, patches: Any, source_batch: int, runtime: Any, device: Any,
        folder: Path,
    ) -> None:  # fmt: skip
        trainings.append((run.training, source_batch, folder.name))
        raise KilledError

    monkeypatch.setattr(frame, "train_round", train_round)
    return trainings


def begin(params: dict[str, Any], section: dict[str, Any], change: dict[str, Any] | None = None) -> None:
    params = copy.deepcopy(params)
    params["adapt"] |= section
    if change is not None:
        params["rounds"]["lse-2"]["adapt"] = change
    read = Params.model_validate(params)
    with pytest.raises(KilledError):
        frame.adapt(read, "lse-2", read.round("lse-2"), Path("runs/lse-1"), Path("runs/lse-2"))


def test_a_round_trains_with_its_own_changes(entered: Entered, tiny_params: dict[str, Any]) -> None:
    begin(tiny_params, {"steps": 9}, {"steps": 4, "source_batch": 3, "optimiser": {"learning_rate": 2e-4}})
    training, source_batch, _ = entered[0]
    assert (training.steps, training.batch, training.optimiser.learning_rate) == (4, 2, 2e-4)
    assert source_batch == training.source_batch == 3


def test_equal_settings_are_resumed_however_they_are_written(entered: Entered, tiny_params: dict[str, Any]) -> None:
    begin(tiny_params, {"steps": 4})
    begin(tiny_params, {"steps": 9}, {"steps": 4})
    begin(tiny_params, {"steps": 4}, {"batch": 2})
    begin(tiny_params, {"steps": 9})
    begin(tiny_params, {"steps": 9}, {"batch": 1})
    folders = [folder for _, _, folder in entered]
    assert len(set(folders[:3])) == 1
    assert len(set(folders)) == 3
