"""Weights of classes in the loss of labelled images: by name, or balanced by pixels; the labelled stream alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from pipeline.common.device import select_device
from pipeline.common.labels import class_set
from pipeline.datasets.prepare import prepare
from pipeline.params import Params, Training
from pipeline.params.cross_checks import class_weight_problems
from pipeline.training import run as common
from pipeline.training.class_weights import balanced, class_weights
from pipeline.training.label_counts import SOURCE_COUNTS, source_counts
from pipeline.training.new_model import new_model
from tests.training.run_settings import run_settings


@pytest.fixture
def params(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tiny_params: dict[str, Any]) -> Params:
    monkeypatch.chdir(tmp_path)
    read = Params.model_validate(tiny_params)
    prepare(read.data, read.seed, class_set(read.classes), workers=1, progress=False)
    return read


def settings(params: Params, weights: Any) -> common.RunSettings:
    return run_settings(params, "source-only", "source", Training(steps=1, batch=2, class_weights=weights))


def test_balanced_weights_are_one_over_the_root_of_the_share_with_a_mean_of_1() -> None:
    weight_C = balanced(np.array([96, 4, 0]))
    assert weight_C[1] / weight_C[0] == pytest.approx((96 / 4) ** 0.5)
    assert 0.96 * weight_C[0] + 0.04 * weight_C[1] == pytest.approx(1)
    assert weight_C[2] == weight_C[1], "a class that labels at this size do not show is as rare as any"
    np.testing.assert_array_equal(balanced(np.zeros(3, int)), 1)


def test_classes_without_a_weight_of_their_own_have_1(params: Params) -> None:
    weight_C = class_weights(settings(params, {"car": 4.0}), Path("work"))
    assert weight_C is not None
    assert weight_C.sum() == 18 + 4
    assert class_weights(settings(params, "none"), Path("work")) is None
    assert not Path("work").exists(), "nothing is counted"


def test_balanced_weights_are_those_of_the_labels(params: Params) -> None:
    Path("work").mkdir()
    run = settings(params, "balanced")
    weight_C = class_weights(run, Path("work"))
    np.testing.assert_array_equal(weight_C, balanced(source_counts(run, Path("work")).sum(axis=0)))
    assert (Path("work") / SOURCE_COUNTS).exists()


def test_the_labelled_stream_alone_is_weighted(params: Params, monkeypatch: pytest.MonkeyPatch) -> None:
    trained: list[Any] = []
    monkeypatch.setattr(common, "train", lambda *arguments, **_: trained.extend(arguments[2]))
    run = settings(params, {"car": 4.0})
    streams = [common.labelled_stream(run, 2), common.unlabelled_stream(run)]
    task = common.Task(lambda model, batch: iter(()), streams, 1)
    fit_model = new_model(run.model, run.classes, run.seed)
    common.fit(run, fit_model, task, params.runtime, select_device("cpu", "float32"), Path("work"))
    source, target = trained
    assert source.at(0).class_weight_C.max() == 4
    assert target.at(0).class_weight_C is None


@pytest.mark.parametrize("value", [{"car": 0}, "balance", 3, {"car": "heavy"}])
def test_other_values_are_refused_with_what_is_possible(value: Any) -> None:
    with pytest.raises(ValidationError):
        Training(steps=1, class_weights=value)


def test_an_unknown_class_is_named_wherever_it_is_weighted(tiny_params: dict[str, Any]) -> None:
    tiny_params["pretrain"]["class_weights"] = {"cra": 2.0}
    tiny_params["initial_models"]["source-only"]["pretrain"] = {"class_weights": {"roads": 2.0}}
    problems = class_weight_problems(Params.model_validate(tiny_params))
    assert len(problems) == 2
    assert "pretrain.class_weights: 'cra' is not a class of cityscapes-19; did you mean 'car'?" in problems[0]
    assert problems[1].startswith("initial_models.source-only.pretrain.class_weights: 'roads'")
