"""A teacher's round as a task: whose images change, and with what features are compared."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from pipeline.common.labels import CITYSCAPES_19
from pipeline.methods.teacher import Teacher
from pipeline.models.build import build_model
from pipeline.models.state import save_model
from pipeline.params import Model, Training
from pipeline.training.run import RunSettings
from pipeline.training.teacher.task import _changes, _reference

SIZE = (32, 64)


def run_of(model: Model, **augmentation: Any) -> RunSettings:
    training = Training.model_validate({"steps": 1, "augmentation": augmentation})
    return RunSettings("one", 1, SIZE, CITYSCAPES_19, "source", model, training)


def test_mixed_images_have_less_blur_and_noise_than_the_source() -> None:
    source, mixed = _changes(run_of(Model(), photometric="strong"), Teacher(compat="paper"))
    assert source is not None and mixed is not None
    assert (source.blur_chance, source.noise_chance) == (0.5, 0.5)
    assert (mixed.blur_chance, mixed.noise_chance) == (0.3, 0.3)
    assert mixed._replace(blur_chance=0.5, noise_chance=0.5) == source


def test_changes_of_mixed_images_only_are_as_they_are_given() -> None:
    teacher = Teacher(compat="paper", photometric_on="mixed")
    source, mixed = _changes(run_of(Model(), photometric="strong"), teacher)
    assert source is None
    assert mixed == _changes(run_of(Model(), photometric="strong"), Teacher(compat="paper")).source


def test_without_changes_there_are_none() -> None:
    for images in ("all", "mixed"):
        assert _changes(run_of(Model()), Teacher(compat="paper", photometric_on=images)) == (None, None)


def test_features_are_compared_with_those_of_the_checkpoint_with_which_training_began(tmp_path: Path) -> None:
    section = Teacher.model_validate({"compat": "paper", "feature_distance": {"classes": ["car", "tram"]}})
    model = build_model("small", 19, generator=torch.Generator().manual_seed(5))
    save_model(model, tmp_path / "model.pt", spec={})
    reference = _reference(run_of(Model(weights=str(tmp_path / "model.pt"))), section)
    assert reference is not None and reference.things == [13]
    state, expected = reference.network.encoder.state_dict(), model.encoder.state_dict()
    assert state.keys() == expected.keys() and all(torch.equal(state[key], expected[key]) for key in expected)
    assert not any(parameter.requires_grad for parameter in reference.network.parameters())


def test_without_a_distance_no_network_is_built() -> None:
    assert _reference(run_of(Model()), Teacher(compat="paper")) is None
