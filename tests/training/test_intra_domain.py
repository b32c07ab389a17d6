"""IntraDA's third step: easy images with pseudo-labels against hard images without."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.common.box import Box
from pipeline.common.labels import IGNORE
from pipeline.params import Params, read_params
from pipeline.patches.file import HARD, PATCHES, PatchFile, PatchWriter
from pipeline.training.augmentation import Augment
from pipeline.training.batches import Stream
from pipeline.training.intra_domain import intra_domain
from pipeline.training.objectives import PseudoLabelObjective
from pipeline.training.patch_samples import patch_samples
from pipeline.training.run import Task
from tests.training.run_settings import run_settings

Write = Callable[[dict[str, Any]], Path]


def write_images(path: Path, label: int, count: int) -> None:
    with PatchWriter(path, ("a",) * 19) as writer:
        for number in range(count):
            image_HW3 = np.full((32, 64, 3), 10 * number, np.uint8)
            writer.add(f"{path.stem}-{number}", Box(0, 0, 32, 64), image_HW3, np.full((32, 64), label, np.uint8))


def params_of(tiny_params: dict[str, Any], write_params: Write, **settings: Any) -> Params:
    tiny_params["intrada"] = {"compat": "paper", **settings}
    tiny_params["rounds"] = {"intrada-1": {"method": "intrada", "init": "source-only", "easy": 0.5}}
    return read_params(write_params(tiny_params))


def easy_stream(folder: Path) -> Stream:
    write_images(folder / PATCHES, 3, 3)
    return Stream("patches", patch_samples(PatchFile(folder / PATCHES), Augment(False, (1, 1), 0), False), 3, 2, 1, "i")


def task_of(params: Params, folder: Path) -> Task:
    assert params.intrada is not None
    run = run_settings(params, "intrada-1", "source", params.adapt)
    return intra_domain(run, params.intrada, easy_stream(folder), folder / HARD, 2)


def test_easy_images_are_labelled_and_hard_ones_are_not(
    tiny_params: dict[str, Any], write_params: Write, tmp_path: Path
) -> None:
    params = params_of(tiny_params, write_params)
    write_images(tmp_path / HARD, IGNORE, 4)
    task = task_of(params, tmp_path)
    streams, adversary = task.streams, task.adversary
    batches = {stream.name: stream.at(0) for stream in streams}
    assert set(batches) == {"patches", "hard"}
    assert (batches["patches"].label_NHW == 3).all()
    assert (batches["hard"].label_NHW == IGNORE).all()
    assert {image_id.split("-")[0] for image_id in batches["hard"].ids} == {"hard"}
    assert adversary is not None
    assert list(adversary.module) == ["main"]


def test_without_hard_images_it_is_self_training(
    tiny_params: dict[str, Any], write_params: Write, tmp_path: Path
) -> None:
    params = params_of(tiny_params, write_params)
    task = task_of(params, tmp_path)
    objective, streams, adversary = task.objective, task.streams, task.adversary
    assert isinstance(objective, PseudoLabelObjective)
    assert ([stream.name for stream in streams], adversary) == (["patches"], None)


def test_with_weights_of_0_it_is_self_training_too(
    tiny_params: dict[str, Any], write_params: Write, tmp_path: Path
) -> None:
    params = params_of(tiny_params, write_params, lambda_main=0.0, lambda_auxiliary=0.0)
    write_images(tmp_path / HARD, IGNORE, 4)
    task = task_of(params, tmp_path)
    objective, adversary = task.objective, task.adversary
    assert isinstance(objective, PseudoLabelObjective)
    assert adversary is None


@pytest.mark.parametrize("heads", [1, 2])
def test_each_head_has_a_discriminator(
    tiny_params: dict[str, Any], write_params: Write, tmp_path: Path, heads: int
) -> None:
    tiny_params["model"]["heads"] = heads
    params = params_of(tiny_params, write_params)
    write_images(tmp_path / HARD, IGNORE, 4)
    adversary = task_of(params, tmp_path).adversary
    assert adversary is not None
    assert len(list(adversary.module)) == heads
