"""How each method trains its round: what it reads, what it optimises, and what it says of an empty selection."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.common.box import Box
from pipeline.common.errors import ReadableError
from pipeline.common.labels import class_set
from pipeline.datasets.prepare import prepare
from pipeline.models.base import SegmentationModel
from pipeline.models.build import build_model
from pipeline.models.state import save_model
from pipeline.params import Params
from pipeline.patches.file import PATCHES, PatchFile, PatchWriter
from pipeline.training.adapt import open_patches
from pipeline.training.objectives import PseudoLabelObjective
from pipeline.training.rounds import TRAINS, initial_network, round_task, training_of
from pipeline.training.run import Task, steps_of
from tests.training.run_settings import run_settings

ENTRIES = {
    "lse": {"portion": 0.5},
    "cbst": {"portion": 0.5, "source_portion": 0.5},
    "cada": {},
    "intrada": {},
    "teacher": {},
}


@pytest.fixture
def params(tiny_params: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Params:
    monkeypatch.chdir(tmp_path)
    tiny_params["rounds"] = {name: {"method": name, "init": "source-only", **more} for name, more in ENTRIES.items()}
    tiny_params |= {name: {"compat": "paper"} for name in ENTRIES}
    read = Params.model_validate(tiny_params)
    prepare(read.data, read.seed, class_set(read.classes), workers=1, progress=False)
    return read


def task_of(params: Params, name: str, patches: int = 1) -> Task:
    with PatchWriter(Path(PATCHES), ("a",) * 19) as writer:
        for number in range(patches):
            writer.add(f"{number}", Box(0, 0, 32, 64), np.zeros((32, 64, 3), np.uint8), np.zeros((32, 64), np.uint8))
    run = run_settings(params, name, "source", params.adapt)
    return round_task(run, params.round(name), getattr(params, name), PatchFile(Path(PATCHES)), 2, Path())


@pytest.mark.parametrize(
    ("method", "objective"),
    [
        ("lse", PseudoLabelObjective(beta=0.1, gamma=3.0)),
        ("cbst", PseudoLabelObjective()),
        ("cada", PseudoLabelObjective(over_all_pixels=True)),
    ],
)
def test_self_training_learns_from_patches_and_the_source(
    method: str, objective: PseudoLabelObjective, params: Params
) -> None:
    task = task_of(params, method)
    assert task.objective == objective
    assert [stream.name for stream in task.streams] == ["patches", "source"]
    assert task.steps == steps_of(params.adapt, 1)
    assert task.adversary is None


def test_cbst_learns_from_a_share_of_the_source(params: Params) -> None:
    whole, share = (task_of(params, method).streams[1].length for method in ("lse", "cbst"))
    assert share == whole // 2 > 0


def test_intrada_leaves_the_source_out(params: Params) -> None:
    assert [stream.name for stream in task_of(params, "intrada").streams] == ["patches"]


@pytest.mark.parametrize(
    ("method", "advice"),
    [
        ("lse", "raise rounds.lse.portion"),
        ("cbst", "raise rounds.cbst.portion"),
        ("intrada", "raise rounds.intrada.easy"),
        ("cada", "lower cada.delta"),
    ],
)
def test_an_empty_selection_is_refused_with_advice(method: str, advice: str, params: Params) -> None:
    with pytest.raises(ReadableError, match=f"holds no patch: the selection is empty; {advice}"):
        with PatchWriter(Path(PATCHES), ("a",) * 19):
            pass
        open_patches(Path(PATCHES), params.round(method), method)


def test_only_intrada_may_begin_with_a_new_network(params: Params) -> None:
    kept = build_model("small", 19)
    save_model(kept, "model.pt", spec={})

    def begins_with(method: str, **section: Any) -> SegmentationModel:
        run = run_settings(params, method, "source", params.adapt)
        return initial_network(run, method, getattr(params, method).model_copy(update=section), Path())

    def weights(model: SegmentationModel) -> bytes:
        return next(model.parameters()).detach().numpy().tobytes()

    for method in TRAINS:
        assert weights(begins_with(method)) == weights(kept)
    assert weights(begins_with("intrada", begin="fresh")) != weights(kept)


def test_lse_s_author_zooms_patches_as_its_code_does(params: Params) -> None:
    assert params.lse is not None
    author = params.lse.model_copy(update={"compat": "author"})
    assert [TRAINS["lse"].aligned_corners(section) for section in (params.lse, author)] == [False, True]
    assert not TRAINS["cbst"].aligned_corners(author)


def test_an_unknown_method_is_an_error() -> None:
    with pytest.raises(ReadableError, match=r"no method 'lsee' trains a round; choose one of .*did you mean 'lse'"):
        training_of("lsee")
