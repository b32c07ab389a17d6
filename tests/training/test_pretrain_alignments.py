"""Starts with an alignment, from params to runs/NAME: every method, what it leaves, and what a weight of 0 means."""

from __future__ import annotations

import csv
import hashlib
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter

from pipeline.common.labels import class_set
from pipeline.datasets.prepare import prepare
from pipeline.models.state import load_model
from pipeline.params import AnyInitialModel, Params
from pipeline.training.alignment.build import alignment_of
from pipeline.training.alignment.methods import Levels
from pipeline.training.pretrain import pretrain

STARTS: dict[str, dict[str, Any]] = {
    "plain": {"alignment": "none"},
    "minent": {"alignment": "minent"},
    "advent": {"alignment": "advent"},
    "adaptsegnet": {"alignment": "adaptsegnet"},
    "squares": {"alignment": "adaptsegnet", "gan": "ls"},
    "style": {"alignment": "style"},
    "gram": {"alignment": "style", "style_statistic": "gram"},
    "mean-std": {"alignment": "style", "style_statistic": "mean-std"},
}
PLAYERS = {
    "plain": set(), "minent": set(), "advent": {"main", "auxiliary"}, "adaptsegnet": {"main", "auxiliary"},
    "squares": {"main"}, "style": {"main", "style-1", "style-2"}, "gram": {"main"}, "mean-std": {"main"},
}  # fmt: skip


@pytest.fixture
def params(tiny_params: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Params:
    """Tiny streets, prepared, and a network with two heads."""
    monkeypatch.chdir(tmp_path)
    tiny_params["model"] |= {"heads": 2, "normalisation": "train"}
    tiny_params["initial_models"] = {name: {"supervision": "source", **start} for name, start in STARTS.items()}
    tiny_params["rounds"] = {}
    read = Params.model_validate(tiny_params)
    prepare(read.data, read.seed, class_set(read.classes), workers=1, progress=False)
    return read


def trained(params: Params, name: str) -> str:
    """Train an initial model and return a hash of its weights."""
    pretrain(params, name, params.initial_model(name), Path("runs") / name)
    return hashlib.sha256((Path("runs") / name / "model.pt").read_bytes()).hexdigest()


@pytest.mark.parametrize("name", STARTS)
def test_every_alignment_trains_and_tells_its_losses(name: str, params: Params) -> None:
    trained(params, name)
    load_model(Path("runs") / name / "model.pt", "cpu")
    curves = {path.stem for path in (Path("runs") / name / "curves" / "loss").glob("*.tsv")}
    terms = {"source"} if name == "plain" else {"source", "alignment"}
    assert curves == terms | {f"discriminator-{player}" for player in PLAYERS[name]}
    for curve in curves:
        path = Path("runs") / name / "curves" / "loss" / f"{curve}.tsv"
        values = [float(row[1]) for row in list(csv.reader(path.open(), delimiter="\t"))[1:]]
        assert len(values) == 2
        assert all(0 <= value < 10 for value in values)


def test_weights_of_0_are_no_alignment_at_all(params: Params) -> None:
    """Bit for bit: batch normalisation, whose statistics an alignment's images move, included."""
    switched_off = {"supervision": "source", "alignment": "advent", "lambda_main": 0, "lambda_auxiliary": 0}
    other = Params.model_validate({**params.model_dump(), "initial_models": {"plain": switched_off}})
    assert trained(other, "plain") == trained(params, "plain")


def test_an_alignment_changes_the_network(params: Params) -> None:
    aligned = {"supervision": "source", "alignment": "minent"}
    other = Params.model_validate({**params.model_dump(), "initial_models": {"plain": aligned}})
    assert trained(other, "plain") != trained(params, "plain")


def test_the_targets_images_are_part_of_a_runs_identity(params: Params, monkeypatch: pytest.MonkeyPatch) -> None:
    """A working folder of other target images is not resumed; without alignment nothing looks at them."""
    seen: dict[str, set[str]] = {}

    def remembered(stage: str, **inputs: Any) -> None:
        seen[stage] = set(inputs)
        raise LookupError

    monkeypatch.setattr("pipeline.training.stage.common_folder", remembered)
    for name in ("plain", "advent"):
        with pytest.raises(LookupError):
            pretrain(params, name, params.initial_model(name), Path("runs") / name)
    assert seen["pretrain-advent"] - seen["pretrain-plain"] == {"target"}


@pytest.mark.parametrize(
    ("start", "heads", "expected"),
    [
        ("advent", 2, Levels(0.001, 0.0002)),
        ("advent", 1, Levels(0.001, 0.0)),
        ("minent", 2, Levels(0.001, 0.0002)),
        ("adaptsegnet", 2, Levels(0.001, 0.0002)),
        ("squares", 2, Levels(0.01, 0.0)),
        ("style", 2, Levels(0.001, 0.0)),
    ],
)
def test_weights_are_the_published_ones_on_the_levels_that_the_network_has(
    start: str, heads: int, expected: Levels
) -> None:
    entry: AnyInitialModel = TypeAdapter(AnyInitialModel).validate_python({"supervision": "source", **STARTS[start]})
    alignment = alignment_of(entry, 19, heads, 1)
    assert alignment is not None
    found = {name: part.weight for name, part in alignment.losses.items()}
    assert Levels(found["main"], found.get("auxiliary", 0.0)) == expected
    assert {name: weight for name, weight in found.items() if name.startswith("style")} == (
        {"style-1": 0.001, "style-2": 0.001} if start == "style" else {}
    )
