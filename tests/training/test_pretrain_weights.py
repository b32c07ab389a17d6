"""Beginning from a checkpoint: to train on, or as an initial model that is not trained at all."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import torch
import torchvision.models

from pipeline.check import data_problems
from pipeline.common.errors import ReadableError
from pipeline.common.labels import CITYSCAPES_19, ClassSet, class_set
from pipeline.datasets.prepare import prepare
from pipeline.models.base import SegmentationModel
from pipeline.models.build import build_model
from pipeline.models.state import load_model, save_model
from pipeline.params import Params
from pipeline.training.new_model import new_model
from pipeline.training.pretrain import pretrain


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    torch.set_num_threads(1)
    return tmp_path


def model_of(params: Params, classes: ClassSet = CITYSCAPES_19) -> SegmentationModel:
    return new_model(params.model, classes, params.seed)


def saved(path: Path, classes: int = 19, **options: Any) -> dict[str, torch.Tensor]:
    model = build_model("small", classes, generator=torch.Generator().manual_seed(9), **options)
    names = list(CITYSCAPES_19.names) if classes == 19 else [f"class {number}" for number in range(classes)]
    save_model(model, path, spec={"class_names": names})
    return model.state_dict()


def test_a_start_with_weights_is_that_checkpoint_and_nothing_is_trained(here: Path, tiny_params: dict) -> None:
    state = saved(here / "theirs.pt", preprocessing="caffe-bgr")
    tiny_params["initial_models"]["released"] = {"supervision": "source", "weights": "theirs.pt"}
    params = Params.model_validate(tiny_params)
    prepare(params.data, params.seed, class_set(params.classes), workers=1, progress=False)
    pretrain(params, "released", params.initial_model("released"), here / "runs" / "released")
    model = load_model(here / "runs" / "released" / "model.pt", "cpu")
    assert all(torch.equal(value, state[key]) for key, value in model.state_dict().items())
    assert model.preprocessing.name == "caffe-bgr"  # the file's: params.yaml leaves it open
    assert (here / "runs" / "released" / "curves").is_dir()
    assert not list((here / "runs" / "released" / "curves").iterdir())


def test_a_start_must_be_filled_altogether(here: Path, tiny_params: dict) -> None:
    saved(here / "theirs.pt", classes=5)
    tiny_params["initial_models"]["released"] = {"supervision": "source", "weights": "theirs.pt"}
    params = Params.model_validate(tiny_params)
    prepare(params.data, params.seed, class_set(params.classes), workers=1, progress=False)
    with pytest.raises(
        ReadableError, match=r"initial_models\.released\.weights: theirs\.pt does not fill head of a network"
    ):
        pretrain(params, "released", params.initial_model("released"), here / "runs" / "released")


def test_a_head_of_other_classes_starts_afresh_and_the_rest_is_the_file_s(
    here: Path, tiny_params: dict, capsys: pytest.CaptureFixture[str]
) -> None:
    state = saved(here / "theirs.pt", classes=5)
    tiny_params["model"]["weights"] = "theirs.pt"
    model = model_of(Params.model_validate(tiny_params))
    own = model.state_dict()
    assert torch.equal(own["encoder.layers.0.0.weight"], state["encoder.layers.0.0.weight"])
    assert torch.equal(own["head.gate.weight"], state["head.gate.weight"])
    assert own["head.classify.weight"].shape[0] == 19
    assert "theirs.pt: these parts keep random weights: head" in capsys.readouterr().out


def test_torchvision_s_encoder_under_the_small_network(here: Path, tiny_params: dict) -> None:
    torch.manual_seed(0)
    theirs = torchvision.models.mobilenet_v3_small(weights=None).state_dict()
    torch.save(theirs, here / "v3.pth")
    tiny_params["model"]["weights"] = "v3.pth"
    own = model_of(Params.model_validate(tiny_params)).state_dict()
    assert torch.equal(own["encoder.layers.5.block.0.0.weight"], theirs["features.5.block.0.0.weight"])


def test_another_architecture_is_refused_with_the_line_for_params(here: Path, tiny_params: dict) -> None:
    saved(here / "theirs.pt", encoder="efficientnet-lite0", heads=2)
    tiny_params["model"]["weights"] = "theirs.pt"
    with pytest.raises(
        ReadableError,
        match=re.escape("say `model: {architecture: small, encoder: efficientnet-lite0, heads: 2, weights: …}`"),
    ):
        model_of(Params.model_validate(tiny_params))


def named(path: Path, names: list[str]) -> None:
    model = build_model("small", len(names), generator=torch.Generator().manual_seed(9))
    save_model(model, path, spec={"class_names": names})


def test_as_many_classes_in_another_order_are_refused(here: Path, tiny_params: dict) -> None:
    classes = class_set("cityscapes-19")
    named(here / "theirs.pt", ["sidewalk", "road", *classes.names[2:]])
    said = "has other classes than params.yaml: class 0 is 'sidewalk' there and 'road' here"
    tiny_params["model"]["weights"] = "theirs.pt"
    with pytest.raises(ReadableError, match=rf"theirs\.pt: {said}"):
        model_of(Params.model_validate(tiny_params), classes)
    del tiny_params["model"]["weights"]
    tiny_params["initial_models"]["released"] = {"supervision": "source", "weights": "theirs.pt"}
    params = Params.model_validate(tiny_params)
    with pytest.raises(ReadableError, match=said):
        pretrain(params, "released", params.initial_model("released"), here / "runs" / "released")
    (problem,) = data_problems(params)
    assert problem.startswith(f"initial_models.released.weights: theirs.pt: {said}")


def test_classes_of_which_only_the_number_is_known_are_believed(here: Path, tiny_params: dict) -> None:
    named(here / "theirs.pt", [f"class {number}" for number in range(19)])
    tiny_params["model"]["weights"] = "theirs.pt"
    params = Params.model_validate(tiny_params)
    assert data_problems(params) == []
    own, theirs = model_of(params), load_model(here / "theirs.pt", "cpu")
    assert torch.equal(own.state_dict()["head.classify.weight"], theirs.state_dict()["head.classify.weight"])


def test_check_opens_checkpoints_before_anything_runs(here: Path, tiny_params: dict) -> None:
    (here / "text.pth").write_text("no weights, but words")
    tiny_params["model"]["weights"] = "none.pth"
    tiny_params["initial_models"]["released"] = {"supervision": "source", "weights": "text.pth"}
    problems = data_problems(Params.model_validate(tiny_params))
    assert problems[0] == "model.weights: none.pth: there is no such file"
    assert problems[1].startswith("initial_models.released.weights: text.pth: is refused: it is not a file of weights")


@pytest.mark.slow
def test_resnet38_trains(here: Path, tiny_params: dict) -> None:
    tiny_params["model"] = {"architecture": "resnet38"}
    tiny_params["pretrain"] = {"steps": 1, "batch": 1, "optimiser": {"name": "sgd", "learning_rate": 1.0e-4}}
    params = Params.model_validate(tiny_params)
    prepare(params.data, params.seed, class_set(params.classes), workers=1, progress=False)
    pretrain(params, "source-only", params.initial_model("source-only"), here / "runs" / "source-only")
    trained = load_model(here / "runs" / "source-only" / "model.pt", "cpu")
    fresh = model_of(params)
    moved = [not torch.equal(*pair) for pair in zip(trained.parameters(), fresh.parameters(), strict=True)]
    assert sum(moved) >= 44  # every convolution; the normalisations are frozen
    assert trained.preprocessing.name == "imagenet-rgb"


def test_an_encoder_begins_with_a_file_of_its_own_weights(here: Path, tiny_params: dict) -> None:
    theirs = torchvision.models.mobilenet_v3_small(weights=None).state_dict()
    torch.save(theirs, here / "imagenet.pth")
    tiny_params["model"] = {"encoder": "mobilenet-v3-small", "pretrained": "imagenet.pth"}
    params = Params.model_validate(tiny_params)
    assert data_problems(params) == []
    state = model_of(params).state_dict()
    assert torch.equal(state["encoder.layers.11.block.3.0.weight"], theirs["features.11.block.3.0.weight"])
    tiny_params["model"] = {"encoder": "timm/resnet81", "pretrained": "imagenet.pth"}
    (problem,) = data_problems(Params.model_validate(tiny_params))
    assert problem.startswith("model.encoder: timm/resnet81: timm ")
    tiny_params["model"] = {"encoder": "timm/test_resnet", "pretrained": "imagenet.pth"}
    (problem,) = data_problems(Params.model_validate(tiny_params))
    assert problem.startswith("model.pretrained: imagenet.pth: does not fill the encoder timm/test_resnet: ")
