"""The stage from files to files: a real tiny network, caches, the verdict and the round's result."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from pipeline.common.class_set import ClassSet
from pipeline.common.device import select_device
from pipeline.common.errors import ReadableError
from pipeline.common.files import file_hash, read_json
from pipeline.common.labels import CITYSCAPES_19, DIGITS_10, class_set
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


def write(run: str, file: str, model: SegmentationModel, classes: ClassSet = CITYSCAPES_19) -> None:
    (RUNS / run).mkdir(parents=True, exist_ok=True)
    save_model(model, RUNS / run / file, spec={"class_names": list(classes.names)})


def dump(name: str, init: str, params: Params, classes: ClassSet = CITYSCAPES_19) -> None:
    dump_target(
        name, RUNS / init / "model.pt", RUNS / name / "cache",
        size=params.data.size, settings=params.dump, classes=classes, computer=CPU, workers=1,
    )  # fmt: skip


def train(name: str, init: str, change: Change = lambda model: None, classes: ClassSet = CITYSCAPES_19) -> None:
    """Writes a round's trained.pt: its init's network after a change of its weights."""
    model = load_model(RUNS / init / "model.pt", "cpu")
    with torch.no_grad():
        change(model)
    write(name, "trained.pt", model, classes)


def health(name: str, params: Params, *, guard: bool = False, classes: ClassSet = CITYSCAPES_19) -> Record:
    settings = params.health.model_copy(update={"smallest_share": 0.001})
    this = Examination(RUNS, params.chain_of(name), params.data.size, settings, classes, CPU)
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
    assert record.uncertainty == pytest.approx(dict(record.reference.uncertainty), abs=1e-5)
    assert sum(record.reference.shares.values()) == pytest.approx(1)
    assert file_hash(RUNS / "lse-1" / "model.pt") == file_hash(RUNS / "lse-1" / "trained.pt")
    assert read_health(RUNS / "lse-1") == record


def test_a_network_that_answers_building_everywhere_fails(params: Params) -> None:
    train("lse-1", "source-only", all_building)
    record = health("lse-1", params)
    assert (record.verdict, record.result) == ("fails", "trained")
    assert record.reason == record.criteria["share_drift"]["reason"]
    assert record.criteria["share_drift"]["shares"]["building"] == 1
    assert record.criteria["view_consistency"]["value"] == 1, "a collapse is consistent"
    assert record.uncertainty["entropy"] < record.reference.uncertainty["entropy"], "and certain"
    assert file_hash(RUNS / "lse-1" / "model.pt") == file_hash(RUNS / "lse-1" / "trained.pt"), "no guard"


def test_a_network_that_has_lost_its_largest_class_fails_and_says_which(params: Params) -> None:
    train("lse-1", "source-only")
    shares = health("lse-1", params).reference.shares
    lost = max(shares, key=lambda name: shares[name])
    train("lse-1", "source-only", lambda model: without(model, CITYSCAPES_19.index(lost)))
    record = health("lse-1", params)
    assert record.verdict == "fails"
    assert record.criteria["share_drift"]["ratios"][lost] == 0
    assert f"{lost} has 0.0 % of the pixels where source-only saw" in record.reason
    assert record.reason.endswith("less than 0.3 times")


def without(model: SegmentationModel, lost: int) -> None:
    for layer in model.classifiers():
        layer.bias[lost] -= 1000


def test_a_guarded_round_that_fails_is_its_init_for_all_that_follows(params: Params) -> None:
    train("lse-1", "source-only", all_building)
    first = health("lse-1", params, guard=True)
    assert (first.verdict, first.result) == ("fails", "init")
    assert file_hash(RUNS / "lse-1" / "model.pt") == file_hash(RUNS / "source-only" / "model.pt")
    dump("lse-2", "lse-1", params)
    train("lse-2", "lse-1")
    second = health("lse-2", params, guard=True)
    assert (second.verdict, second.result) == ("holds", "trained")
    assert second.reference == first.reference
    assert list(second.criteria["agreement"]["scores"]) == ["source-only", "lse-2"], "the same network counts once"


def test_a_guarded_round_that_holds_is_its_trained_network(params: Params) -> None:
    train("lse-1", "source-only", lambda model: [layer.bias.add_(0.001) for layer in model.classifiers()])
    assert health("lse-1", params, guard=True).result == "trained"
    assert file_hash(RUNS / "lse-1" / "model.pt") == file_hash(RUNS / "lse-1" / "trained.pt")


def test_a_later_round_is_compared_with_the_initial_model_and_judged_by_three_networks(params: Params) -> None:
    train("lse-1", "source-only", lambda model: [layer.weight.mul_(1.01) for layer in model.classifiers()])
    first = health("lse-1", params)
    dump("lse-2", "lse-1", params)
    train("lse-2", "lse-1", all_building)
    record = health("lse-2", params)
    assert record.reference == first.reference and record.reference.run == "source-only"
    assert list(record.criteria["agreement"]["scores"]) == ["source-only", "lse-1", "lse-2"]
    assert record.criteria["agreement"]["verdict"] is not None
    assert record.verdict == "fails"
    (RUNS / "lse-1" / HEALTH).unlink()
    with pytest.raises(ReadableError, match=r"runs/lse-1/health.json: is missing; run `dvc repro health@lse-1`"):
        health("lse-2", params)


def test_caches_of_other_images_are_refused(params: Params) -> None:
    train("lse-1", "source-only")
    manifest = Path("data/prepared/target/manifest.jsonl")
    manifest.write_text("".join(manifest.read_text().splitlines(keepends=True)[:-1]))
    with pytest.raises(ReadableError, match=r"runs/lse-1/cache: is not of the target's images; run `dvc repro`"):
        health("lse-1", params)


def test_without_held_back_images_the_source_does_not_judge(params: Params) -> None:
    prepare(params.data.model_copy(update={"hold_back": 0.0}), 1, CITYSCAPES_19, workers=1, progress=False)
    train("lse-1", "source-only")
    record = health("lse-1", params)
    assert record.reference.source_iou is None
    assert record.criteria["source_iou"] == {
        "verdict": None, "value": None, "threshold": None,
        "reason": "no image of the source is held back (data.hold_back)",
    }  # fmt: skip
    assert record.reason == "shares and views agree with source-only's"


def test_a_verdict_of_another_version_is_refused(params: Params) -> None:
    train("lse-1", "source-only")
    health("lse-1", params)
    path = RUNS / "lse-1" / HEALTH
    assert read_health(RUNS / "source-only") is None
    for text in ('{"format": 0}', "{", "[]", '{"format": 1, "verdict": "holds"}'):
        path.write_text(text)
        with pytest.raises(ReadableError, match=r"is not a verdict of this version; run `dvc repro -f health@lse-1`"):
            read_health(path.parent)


def test_the_same_network_gives_the_same_bytes(params: Params) -> None:
    train("lse-1", "source-only", all_building)
    health("lse-1", params)
    before = (RUNS / "lse-1" / HEALTH).read_bytes()
    health("lse-1", params)
    assert (RUNS / "lse-1" / HEALTH).read_bytes() == before
    assert read_json(RUNS / "lse-1" / HEALTH)["format"] == 1


def test_views_of_the_caches_are_those_of_the_trained_network(params: Params) -> None:
    mirrored = params.model_copy(update={"dump": params.dump.model_copy(update={"flip": True, "scales": (1.0, 0.5)})})
    dump("lse-1", "source-only", mirrored)
    train("lse-1", "source-only")
    record = health("lse-1", mirrored)
    assert record.criteria["share_drift"]["value"] == pytest.approx(0, abs=1e-6)
    assert record.criteria["agreement"]["scores"] == {"source-only": 1.0, "lse-1": 1.0}


def test_a_network_with_one_label_for_an_image_is_judged_without_mirroring(
    tmp_path: Path, tiny_params: dict, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, count in (("source", 40), ("target", 12), ("evaluation", 10)):
        x = np.random.default_rng(count).integers(0, 256, (count, 28, 28), dtype=np.uint8)
        np.savez_compressed(f"{name}.npz", x=x, y=np.arange(count) % 10)
        tiny_params["data"][name] = {"layout": "digits", "root": ".", "archive": f"{name}.npz"}
    tiny_params["data"]["size"], tiny_params["classes"] = [28, 28], DIGITS_10.name
    tiny_params["model"] = {"architecture": "lenet", "pretrained": False, "normalisation": "train"}
    tiny_params["pretrain"]["augmentation"] = tiny_params["adapt"]["augmentation"] = {"flip": False}
    params = Params.model_validate(tiny_params)
    prepare(params.data, 1, DIGITS_10, workers=1, progress=False)
    write("source-only", "model.pt", build_model("lenet", 10, generator=torch.Generator().manual_seed(1)), DIGITS_10)
    dump("lse-1", "source-only", params, DIGITS_10)
    train("lse-1", "source-only", classes=DIGITS_10)
    record = health("lse-1", params, classes=DIGITS_10)
    assert (record.verdict, record.reason) == ("holds", "shares and source IoU agree with source-only's")
    assert record.criteria["view_consistency"]["verdict"] is None
    assert record.reference.source_iou is not None and record.reference.view_consistency is None
