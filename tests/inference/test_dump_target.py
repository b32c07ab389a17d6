"""The dump of the target: any number of processes, in any order, writes the same bytes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from pipeline.cache.dump import Share
from pipeline.common.device import select_device
from pipeline.common.files import file_hash
from pipeline.common.labels import class_set
from pipeline.datasets.prepare import prepare
from pipeline.inference import dump as dump_module
from pipeline.inference.dump import dump_target, share_of_process
from pipeline.models.build import build_model
from pipeline.models.state import save_model
from pipeline.params import Params, read_params

CACHE = Path("runs/lse-1/cache")
MODEL = Path("runs/source-only/model.pt")


@pytest.fixture
def params(
    tiny_params: dict[str, Any], write_params: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Params:
    """A prepared workspace with an untrained model and a target of seven images: four parts."""
    monkeypatch.chdir(tmp_path)
    for name in ("RANK", "WORLD_SIZE", "ROUNDABOUT_SHARE"):
        monkeypatch.delenv(name, raising=False)
    tiny_params["data"]["target"]["images"] = 7
    read = read_params(write_params(tiny_params))
    prepare(read.data, read.seed, class_set(read.classes), workers=1, progress=False)
    MODEL.parent.mkdir(parents=True)
    model = build_model("small", 19, generator=torch.Generator().manual_seed(1))
    save_model(model, MODEL, spec={"class_names": list(class_set(read.classes).names)})
    return read


def dump_round(params: Params) -> None:
    dump_target(
        "lse-1",
        MODEL,
        CACHE,
        size=params.data.size,
        settings=params.dump,
        classes=class_set(params.classes),
        computer=select_device("cpu", "float32"),
        workers=1,
    )


def hashes() -> dict[str, str]:
    return {path.name: file_hash(path) for path in sorted(CACHE.iterdir())}


# (task, tasks) of an array, (rank, processes) of torchrun
ORDERS = {
    "two processes": [("0/1", 0, 2), ("0/1", 1, 2)],
    "three tasks, backwards": [("2/3", 0, 1), ("1/3", 0, 1), ("0/3", 0, 1)],
    "two tasks of two processes": [("1/2", 1, 2), ("0/2", 0, 2), ("0/2", 1, 2), ("1/2", 0, 2)],
    "more than there are parts": [(f"{task}/6", 0, 1) for task in (5, 3, 0, 4, 2, 1)],
}


def test_any_number_of_processes_in_any_order_makes_the_same_cache(
    params: Params, monkeypatch: pytest.MonkeyPatch
) -> None:
    dump_round(params)
    whole = hashes()
    assert len(whole) == 4
    for order in ORDERS.values():
        for path in CACHE.iterdir():
            path.unlink()
        CACHE.rmdir()
        for place, (task, rank, processes) in enumerate(order):
            assert not CACHE.exists(), f"published before number {place} of {len(order)}"
            monkeypatch.setenv("ROUNDABOUT_SHARE", task)
            monkeypatch.setenv("RANK", str(rank))
            monkeypatch.setenv("WORLD_SIZE", str(processes))
            dump_round(params)
        assert hashes() == whole
        left = Path(".roundabout/work")
        assert list(left.iterdir()) == []


def test_a_process_that_comes_when_the_cache_is_published_makes_nothing_and_leaves_nothing(
    params: Params, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when an earlier run was killed with all parts made: the first process publishes before the second begins."""
    monkeypatch.setenv("WORLD_SIZE", "2")
    for rank in ("1", "0"):
        monkeypatch.setenv("RANK", rank)
        dump_round(params)
    whole, times = hashes(), {path.name: path.stat().st_mtime_ns for path in CACHE.iterdir()}
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setattr(dump_module, "dump", lambda *_, **__: pytest.fail("makes its share again"))
    dump_round(params)
    assert hashes() == whole
    assert {path.name: path.stat().st_mtime_ns for path in CACHE.iterdir()} == times
    assert list(Path(".roundabout/work").iterdir()) == []


def test_a_share_is_a_process_of_a_task(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROUNDABOUT_SHARE", "2/3")
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", "4")
    assert share_of_process() == Share(9, 12)
