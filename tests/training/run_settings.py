"""Settings of a run, as the stages take them from params."""

from __future__ import annotations

from pipeline.common.labels import class_set
from pipeline.params import Params, Training
from pipeline.training.run import RunSettings


def run_settings(params: Params, name: str, labelled: str, training: Training) -> RunSettings:
    return RunSettings(name, params.seed, params.data.size, class_set(params.classes), labelled, params.model, training)
