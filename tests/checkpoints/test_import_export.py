"""Checkpoints in and out: what is imported answers the same, what is exported is what came in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import torchvision.models
from click.testing import Result
from safetensors.torch import load_file
from typer.testing import CliRunner

from pipeline.checkpoints.convert import read_weights
from pipeline.checkpoints.import_export import import_checkpoint, open_model
from pipeline.cli import app
from pipeline.models.base import SegmentationModel
from pipeline.models.build import build_model
from pipeline.models.discriminators import patch_discriminator
from pipeline.models.model_file import ModelFileError
from pipeline.models.state import load_model, save_model


def call(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def words(text: str) -> str:
    return " ".join(text.replace("│", " ").split())


def named(count: int) -> list[str]:
    return [f"class {number}" for number in range(count)]


@pytest.fixture
def mobile(tmp_path: Path) -> Path:
    """A file of torchvision's small MobileNetV3, drawn anew."""
    torch.manual_seed(0)
    path = tmp_path / "mobilenet_v3_small.pth"
    torch.save(torchvision.models.mobilenet_v3_small(weights=None).state_dict(), path)
    return path


def ours(tmp_path: Path, **options: Any) -> tuple[SegmentationModel, Path]:
    model = build_model("small", 3, generator=torch.Generator().manual_seed(4), **options).eval()
    save_model(model, tmp_path / "ours.pt", spec={"class_names": named(3)})
    return model, tmp_path / "ours.pt"


def test_an_imagenet_encoder_becomes_a_network_with_a_fresh_head(tmp_path: Path, mobile: Path) -> None:
    found = import_checkpoint(mobile, tmp_path / "new" / "model.pt", named, classes=7)
    model = load_model(tmp_path / "new" / "model.pt", "cpu")
    assert found.kind == "mobilenet-v3-small-imagenet"
    assert (model.spec["architecture"], model.classes, model.preprocessing.name) == ("small", 7, "imagenet-rgb")
    assert model.spec["class_names"] == named(7)
    theirs = torch.load(mobile, weights_only=True)
    compared = 0
    for key, value in model.state_dict().items():
        if key.startswith("encoder.layers."):
            assert torch.equal(value, theirs[key.replace("encoder.layers.", "features.")])
            compared += 1
    assert compared == 234
    assert model.spec["imported"]["fresh"] == ["head"]
    assert set(read_weights(tmp_path / "new" / "model.pt").fresh) == {"head"}


def test_a_network_without_a_head_cannot_segment(tmp_path: Path, mobile: Path) -> None:
    with pytest.raises(ModelFileError, match=r"is MobileNetV3-small of torchvision: it has no head"):
        open_model(mobile)
    import_checkpoint(mobile, tmp_path / "model.pt", named)
    with pytest.raises(ModelFileError, match="it has no head"):
        open_model(tmp_path / "model.pt")


def test_half_precision_is_widened_exactly(tmp_path: Path, mobile: Path) -> None:
    half = {key: value.half() if value.is_floating_point() else value for key, value in torch.load(mobile).items()}
    torch.save(half, mobile)
    state = read_weights(mobile).state
    assert torch.equal(state["encoder.layers.0.0.weight"].half(), half["features.0.0.weight"])
    assert state["encoder.layers.0.0.weight"].dtype == torch.float32


def test_weights_that_are_not_finite_are_refused(tmp_path: Path, mobile: Path) -> None:
    state = torch.load(mobile)
    state["features.0.0.weight"][0, 0, 0, 0] = float("nan")
    torch.save(state, mobile)
    with pytest.raises(ModelFileError, match=r"holds numbers that are not finite, in encoder\.layers\.0\.0\.weight"):
        read_weights(mobile)


def test_safetensors_of_ours_come_back_as_the_same_network(tmp_path: Path) -> None:
    model, path = ours(tmp_path, heads=2, preprocessing="caffe-bgr")
    assert call("export", path, "--safetensors", tmp_path / "a.safetensors").exit_code == 0
    assert set(load_file(tmp_path / "a.safetensors")) == set(model.state_dict())
    again = open_model(tmp_path / "a.safetensors")
    assert again.spec == {**model.spec, "class_names": named(3)}
    image = torch.randint(0, 256, (1, 3, 40, 50), dtype=torch.uint8)
    with torch.no_grad():
        assert torch.equal(again(again.preprocessing(image))[0], model(model.preprocessing(image))[0])
    # … and as a model file, by import
    assert call("checkpoint", "import", tmp_path / "a.safetensors", tmp_path / "b.pt").exit_code == 0
    assert (tmp_path / "b.pt").read_bytes() == path.read_bytes()


@pytest.mark.parametrize(("kind", "first"), [("discriminator", "0.weight"), ("discriminator-named", "conv1.weight")])
def test_discriminators_go_in_and_out_under_both_names(tmp_path: Path, kind: str, first: str) -> None:
    discriminator = patch_discriminator(5, torch.Generator().manual_seed(1))
    torch.save({f"module.{key}": value for key, value in discriminator.state_dict().items()}, tmp_path / "D.pth")
    assert call("checkpoint", "import", tmp_path / "D.pth", tmp_path / "ours.pt").exit_code == 0
    assert call("checkpoint", "export", tmp_path / "ours.pt", tmp_path / "out.pth", "--as", kind).exit_code == 0
    out = torch.load(tmp_path / "out.pth", weights_only=True)
    assert next(iter(out)) == first
    for value, expected in zip(out.values(), discriminator.state_dict().values(), strict=True):
        assert torch.equal(value, expected)
    said = words(call("checkpoint", "info", tmp_path / "out.pth").output)
    assert f"kind {kind}: a discriminator" in said
    assert "5 channels" in said
    with pytest.raises(ModelFileError, match="it has no head"):
        open_model(tmp_path / "D.pth")


def test_info_says_what_was_found_and_how(mobile: Path) -> None:
    torch.save(
        {"state_dict": {f"module.{key}": value for key, value in torch.load(mobile).items()}, "epoch": 1}, mobile
    )
    said = words(call("checkpoint", "info", mobile).output)
    assert "kind mobilenet-v3-small-imagenet: MobileNetV3-small of torchvision" in said
    assert "read from torch's zip archive, below 'state_dict'" in said
    assert "the prefix 'module.' is taken off every name" in said
    assert "beside the weights, not read: epoch" in said
    assert "small on mobilenet-v3-small, 1 head" in said
    assert "preprocessing imagenet-rgb (as all files of this kind)" in said
    assert "an encoder only: the head starts afresh" in said


def test_info_says_that_a_model_is_an_average(tmp_path: Path) -> None:
    model, path = ours(tmp_path)
    assert "average" not in call("checkpoint", "info", path).output
    save_model(model, path, spec={"class_names": named(3), "ema": 0.98})
    assert "tensors; exponential moving average, decay 0.98" in words(call("checkpoint", "info", path).output)


def test_what_the_user_says_overrules_and_is_repeated(tmp_path: Path, mobile: Path) -> None:
    answer = call(
        "checkpoint", "import", mobile, tmp_path / "a.pt", "--preprocessing", "caffe-bgr", "--class-set", "synthia-13"
    )
    assert answer.exit_code == 0
    assert "but as you say: preprocessing caffe-bgr, a head of 13 classes" in words(answer.output)
    model = load_model(tmp_path / "a.pt", "cpu")
    assert (model.preprocessing.name, model.classes) == ("caffe-bgr", 13)
    assert model.spec["class_names"][:2] == ["road", "sidewalk"]


def test_an_unknown_file_is_refused_with_the_closest_kind(tmp_path: Path) -> None:
    with torch.device("meta"):
        state = torchvision.models.resnet18(weights=None).state_dict()
    torch.save({key: torch.zeros(value.shape) for key, value in state.items()}, tmp_path / "r18.pth")
    answer = call("checkpoint", "import", tmp_path / "r18.pth", tmp_path / "a.pt")
    assert answer.exit_code == 1
    assert "r18.pth: is of no known kind; closest is resnet101-imagenet" in words(answer.output)
    assert "layer1.0.conv1.weight is 64x64x3x3 and not 64x64x1x1" in words(answer.output)
    assert not (tmp_path / "a.pt").exists()


def test_refusals(tmp_path: Path, mobile: Path) -> None:
    _, path = ours(tmp_path)
    said = {
        ("import", mobile, mobile): "is there already; choose another name, or say --force",
        ("import", mobile, tmp_path / "x.pt", "--class-set", "nine"): "there is no class set 'nine'",
        ("import", mobile, tmp_path / "x.pt", "--aspp-branches", "2"): "it has no ASPP branches",
        ("import", mobile, tmp_path / "x.pt", "--preprocessing", "bgr"): "choose one of imagenet-rgb, caffe-bgr",
        ("import", path, tmp_path / "x.pt", "--classes", "5"): "has 3 classes, not 5",
        ("export", path, tmp_path / "x.pth"): "small on mobilenet-v3-small has no authors' names",
        ("export", path, tmp_path / "x.bin"): "the suffix decides the format; choose one of .pth, .pt, .safetensors",
        (
            "export",
            tmp_path / "none",
            tmp_path / "x.pth",
        ): "is neither a file nor a run with a model.pt",
    }
    for arguments, message in said.items():
        answer = call("checkpoint", *arguments)
        assert answer.exit_code == 1, arguments
        assert message in words(answer.output), arguments
    assert not list(tmp_path.glob("x.*"))
    assert call("export", path).exit_code == 1
    assert "say what to write" in call("export", path).output
    negative = call("export", path, "--onnx", tmp_path / "x.onnx", "--size", "-1", "64")
    assert negative.exit_code == 1
    assert "--size: both sides must be at least 1, and it is -1 64" in words(negative.output)


def test_a_run_s_name_stands_for_its_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _, path = ours(tmp_path)
    monkeypatch.chdir(tmp_path)
    Path("runs/lse-1").mkdir(parents=True)
    path.rename("runs/lse-1/model.pt")
    for given in ("lse-1", "runs/lse-1", "runs/lse-1/model.pt"):
        assert "runs/lse-1/model.pt" in words(call("checkpoint", "info", given).output)
    assert call("checkpoint", "import", "lse-1", "taken.pt").exit_code == 0
    answer = call("checkpoint", "info", "lse-2")
    assert answer.exit_code == 1
    assert "a run with a model.pt; runs with a model.pt are lse-1; did you mean 'lse-1'?" in words(answer.output)
    Path("lse-1").write_bytes(b"a file of this name")
    assert "lse-1: " in words(call("checkpoint", "info", "lse-1").output), "the file here wins"
    assert call("checkpoint", "info", "lse-1").exit_code == 1


def test_a_damaged_file_of_ours_is_named(tmp_path: Path) -> None:
    _, path = ours(tmp_path)
    content = torch.load(path, weights_only=True)
    torch.save({**content, "version": 9}, path)
    with pytest.raises(ModelFileError, match="model file version 9; this program reads 1"):
        read_weights(path)
    torch.save({**content, "spec": {**content["spec"], "classes": 4}}, path)
    with pytest.raises(ModelFileError, match="the stored spec and weights do not fit together"):
        read_weights(path)
    torch.save({**content, "spec": {"classes": 4}}, path)
    with pytest.raises(ModelFileError, match="whose spec is damaged"):
        read_weights(path)
