"""The stage from files to files: a real tiny network, caches, the verdict and the round's result."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from pipeline.common.device import select_device
from pipeline.common.errors import ReadableError
from pipeline.common.files import file_hash, read_json
from pipeline.common.labels import CITYSCAPES_19, class_set
from pipeline.datasets.prepare import prepare
from pipeline.health.record import HEALTH, Record, read_health
from pipeline.health.run import Examination, health_of_round
from pipeline.inference.dump import dump_target
from pipeline.models.base import SegmentationModel
from pipeline.models.build import build_model
from pipeline.models.state import load_model, save_model
from pipeline.params import Params

CPU = select_device("cpu", "float32")
RUNS = Path("runs")
BUILDING, SKY = (CITYSCAPES_19.index(name) for name in ("building", "sky"))
Change = Callable[[SegmentationModel], None]


@pytest.fixture
def params(tmp_path: Path, tiny_params: dict, monkeypatch: pytest.MonkeyPatch) -> Params:
    """A prepared workspace with held-back source images and an untrained source-only network that sees many classes."""
    monkeypatch.chdir(tmp_path)
    torch.set_num_threads(1)
    tiny_params["data"]["source"]["images"] = 20
    read = Params.model_validate(tiny_params)
    prepare(read.data, read.seed, class_set(read.classes), workers=1, progress=False)
    model = build_model("small", 19, generator=torch.Generator().manual_seed(1))
    write("source-only", "model.pt", model)
    dump("lse-1", "source-only", read)
    return read


def write(run: str, file: str, model: SegmentationModel) -> None:
    (RUNS / run).mkdir(parents=True, exist_ok=True)
    save_model(model, RUNS / run / file, spec={"class_names": list(CITYSCAPES_19.names)})


def dump(name: str, init: str, params: Params) -> None:
    dump_target(
        name, RUNS / init / "model.pt", RUNS / name / "cache",
        size=params.data.size, settings=params.dump, classes=CITYSCAPES_19, computer=CPU, workers=1,
    )  # fmt: skip


def train(name: str, init: str, change: Change = lambda model: None) -> None:
    """Writes a round's trained.pt: its init's network after a change of its weights."""
    model = load_model(RUNS / init / "model.pt", "cpu")
    with torch.no_grad():
        change(model)
    write(name, "trained.pt", model)


def health(name: str, params: Params, *, guard: bool = False) -> Record:
    settings = params.health.model_copy(update={"smallest_share": 0.001})
    this = Examination(RUNS, params.chain_of(name), params.data.size, settings, CITYSCAPES_19, CPU)
    return health_of_round(this, guard=guard)


def all_building(model: SegmentationModel) -> None:
    for layer in model.classifiers():
        layer.bias[BUILDING] += 1000


def test_an_unchanged_network_holds(params: Params) -> None:
    train("lse-1", "source-only")
    record = health("lse-1", params)
    assert (record.verdict, record.result) == ("holds", "trained")
    assert record.reason == "shares, source IoU and views agree with source-only's"
    assert record.criteria["share_drift"]["value"] == pytest.approx(0, abs=1e-6)
    assert record.criteria["source_iou"]["value"] == record.reference.source_iou
    assert record.criteria["view_consistency"]["value"] == record.reference.view_consistency
    assert record.criteria["agreement"]["verdict"] is None
    assert record.told == pytest.approx(dict(record.reference.told), abs=1e-5)
    assert sum(record.reference.shares.values()) == pytest.approx(1)
    assert file_hash(RUNS / "lse-1" / "model.pt") == file_hash(RUNS / "lse-1" / "trained.pt")
    assert read_health(RUNS / "lse-1") == record
