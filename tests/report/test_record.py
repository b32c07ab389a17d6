"""What a report knows of a workspace: thresholds, frequencies, sizes, params; and the environment."""

from __future__ import annotations

import platform
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from pipeline.common.box import Box
from pipeline.common.files import write_json, write_text
from pipeline.common.flat import flat
from pipeline.common.labels import ClassSet
from pipeline.methods.selection_file import Compat, Selection, write_selection
from pipeline.models.build import build_model
from pipeline.models.state import save_model
from pipeline.patches.file import PatchWriter
from pipeline.report.environment import git_state, machine, processor, stage_times, versions
from pipeline.report.record import differences, nearest_preset, run_facts
from pipeline.report.summary import health_facts
from pipeline.timing.log import record
from tests.health.records import health_record

CLASSES = ClassSet("two", ("a", "b"), ((0, 0, 0), (1, 1, 1)))


def test_a_round_tells_thresholds_frequencies_and_sizes(tmp_path: Path, write_cache: Callable[..., Path]) -> None:
    logits_NChw = torch.zeros(3, 2, 4, 8)
    logits_NChw[:, 1, :1] = 5.0  # a quarter of the pixels is b
    cache = write_cache(tmp_path / "cache", logits_NChw, (4, 8), ["x", "y", "z"])
    selection = Selection("lse", "paper", ["a", "b"], ["x", "z"], np.array([0.5, np.nan]))
    write_selection(tmp_path / "selection" / "selection.json", selection, {})
    with PatchWriter(tmp_path / "patches" / "patches.h5", CLASSES.names) as writer:
        label_HW = np.full((4, 8), 255, np.uint8)
        label_HW[0], label_HW[1, :4] = 0, 1
        for image in ("x", "z"):
            writer.add(image, Box(0, 0, 2, 4), np.zeros((2, 4, 3), np.uint8), label_HW)
    write_text(tmp_path / "confusion.csv", "truth \\ prediction,a,b\na,3,1\nb,0,2\n")
    facts = run_facts(tmp_path, CLASSES)
    assert facts["confusion"] == [[3, 1], [0, 2]]
    assert facts["selection"] == {"images": 2, "hard": 0, "thresholds": {"a": 0.5, "b": None}, "unit": "share of ln C"}
    assert facts["patches"] == {"count": 2, "pixels": 64, "labelled_pixels": {"a": 16, "b": 8}}
    assert facts["cache"]["predicted_pixels"] == {"a": 72, "b": 24}
    assert facts["cache"]["bytes"] == sum(path.stat().st_size for path in cache.glob("*.h5"))


@pytest.mark.parametrize(
    ("method", "compat", "unit"),
    [
        ("lse", "paper", "share of ln C"),
        ("lse", "author", "entropy within its class in the image"),
        ("cada", "paper", "nats"),
        ("cbst", "author", "probability"),
        ("intrada", "paper", None),
    ],
)
def test_a_threshold_is_told_in_the_unit_of_what_it_is_compared_with(
    tmp_path: Path, method: str, compat: Compat, unit: str | None
) -> None:
    selection = Selection(method, compat, ["a", "b"], ["x"], np.array([0.5, 0.5]))
    write_selection(tmp_path / "selection" / "selection.json", selection, {})
    assert run_facts(tmp_path, CLASSES)["selection"]["unit"] == unit


def test_a_cache_that_cannot_be_read_is_told_and_a_start_has_none(tmp_path: Path) -> None:
    assert run_facts(tmp_path, CLASSES) == {"confusion": None, "curves": {}}
    (tmp_path / "cache").mkdir()
    assert "holds no parts of a cache" in run_facts(tmp_path, CLASSES)["cache"]["problem"]


def test_a_model_that_is_an_average_is_noticed(tmp_path: Path) -> None:
    for folder, spec in ((tmp_path / "average", {"ema": 0.98}), (tmp_path / "last", {})):
        folder.mkdir()
        save_model(build_model("small", 2), folder / "model.pt", spec=spec)
    assert run_facts(tmp_path / "average", CLASSES)["ema"] == 0.98
    assert "ema" not in run_facts(tmp_path / "last", CLASSES)


def test_a_round_has_its_verdict_and_one_that_cannot_be_read_is_a_problem(tmp_path: Path) -> None:
    write_json(tmp_path / "health.json", health_record("fails", "sky is lost", "init").as_json())
    health = health_facts(tmp_path)["health"]
    assert (health["verdict"], health["reason"], health["result"]) == ("fails", "sky is lost", "init")
    assert health["criteria"]["share_drift"]["threshold"] == 0.2
    write_text(tmp_path / "health.json", "{")
    assert "is not a verdict of this version" in health_facts(tmp_path)["health"]["problem"]


def test_the_processor_is_named_as_linux_does(tmp_path: Path) -> None:
    write_text(tmp_path / "cpuinfo", "processor\t: 0\nmodel name\t: A  64-Core\nmodel name\t: other\n")
    assert processor(tmp_path / "cpuinfo") == "A 64-Core"
    assert processor(tmp_path / "none") == (platform.machine() or "unknown processor")
    assert machine("cpu") | {"date": "", "processor": ""} == {
        "processor": "", "threads": torch.get_num_threads(), "device": "cpu", "date": "",
    }  # fmt: skip


def test_params_become_flat_and_the_nearest_preset_is_found() -> None:
    here = flat({"seed": 3, "adapt": {"steps": 60, "size": [1, 2]}, "rounds": {"a": {"portion": 0.1}}, "empty": {}})
    assert here == {"seed": 3, "adapt.steps": 60, "adapt.size": [1, 2], "rounds.a.portion": 0.1, "empty": {}}
    near, far = here | {"seed": 1, "adapt.steps": 90, "more": 1}, {"seed": 3}
    assert differences(here, near) == [("seed", 3, 1), ("adapt.steps", 60, 90), ("more", None, 1)]
    assert nearest_preset(here, {"far": far, "near": near}) == {
        "name": "near",
        "differences": [["adapt.steps", 60, 90], ["more", None, 1]],
    }
    assert nearest_preset(here, {}) is None


def test_the_revision_and_what_was_changed_since(tmp_path: Path, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert git_state(tmp_path) is None

    def git(*arguments: str) -> None:
        who = ("-c", "user.name=n", "-c", "user.email=e@example.org")
        subprocess.run(["git", *who, *arguments], cwd=tmp_path, check=True, capture_output=True)

    git("init")
    for name in ("a.py", "dvc.lock"):
        (tmp_path / name).write_text("1")
    git("add", "a.py", "dvc.lock")
    git("commit", "-m", "first")
    state = git_state(tmp_path)
    assert state is not None and len(state["revision"]) == 40 and state["changed"] == []
    for name in ("a.py", "dvc.lock", "untracked"):
        (tmp_path / name).write_text("2")
    state = git_state(tmp_path)
    assert state is not None and state["changed"] == ["a.py"]


def test_versions_and_times(tmp_path: Path) -> None:
    assert {"python", "torch", "numpy"} <= set(versions())
    record("adapt", "lse-1", 2.5, folder=tmp_path)
    record("dump", "lse-1", None, ended="running", folder=tmp_path)
    write_json(tmp_path / "other.json", [])
    assert stage_times(tmp_path) == {"adapt@lse-1": {"seconds": 2.5, "joules": {}, "unknown": 0}}
