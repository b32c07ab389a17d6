"""Settings of a run, as the stages take them from params."""

from __future__ import annotations

from pipeline.common.labels import class_set
from pipeline.params import Params, Training
from pipeline.training.run import RunSettings
from pipeline.translation.source import labelled_split


def run_settings(params: Params, name: str, training: Training, split: str = "source") -> RunSettings:
    classes, labelled = class_set(params.classes), labelled_split(params.data, split)
    return RunSettings(name, params.seed, params.data.size, classes, labelled, params.model, training)
