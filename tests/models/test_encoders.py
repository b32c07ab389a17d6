"""Encoders: equal to those of before they came from timm, and timm's at any size."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from torch import Tensor

from pipeline.checkpoints.encoder_file import encoder_problem, fill_encoder
from pipeline.checkpoints.import_export import open_model, save_safetensors
from pipeline.common.errors import ReadableError
from pipeline.models.base import full_size
from pipeline.models.build import build_model
from pipeline.models.encoders import LITE_BLOCKS, TimmEncoder, package_name
from pipeline.models.model_file import ModelFileError
from pipeline.models.state import load_model, save_model

GOLDEN = np.load(Path(__file__).parents[1] / "golden" / "encoders.npz")
BEFORE = ("efficientnet-lite0", "mobilenet-v3-small", "mobilenet-v3-large")
SIZE = (97, 161)


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def drawn_input(height: int, width: int) -> Tensor:
    return torch.randn(2, 3, height, width, generator=seeded(height))


@pytest.mark.parametrize("name", BEFORE)
def test_encoders_draw_and_compute_what_they_did_before_they_came_from_timm(name: str) -> None:
    model = build_model("small", 5, encoder=name, heads=2, generator=seeded(7))
    digest = hashlib.sha256()
    for value in model.state_dict().values():
        digest.update(value.numpy().tobytes())
    assert digest.hexdigest() == str(GOLDEN[f"{name}_drawn_sha256"])
    with torch.no_grad():
        model.train()
        model.encoder(drawn_input(48, 64))  # statistics move as far as they did
        model.eval()
        for height, width in ((33, 47), (32, 64)):
            for level, feature_NDhw in enumerate(model.encoder(drawn_input(height, width))):
                golden = GOLDEN[f"{name}_{height}x{width}_{level}"]
                assert np.abs(feature_NDhw[:1].numpy() - golden).max() < 1e-5 * np.abs(golden).max()


def with_old_names(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    def old(name: str) -> str:
        below = name.removeprefix("encoder.layers.")
        return name if below == name else f"encoder.{package_name(below, LITE_BLOCKS['efficientnet-lite0'])}"

    return {old(name): value for name, value in state.items()}


def test_models_of_before_are_read_by_every_command(tmp_path: Path) -> None:
    model = build_model("small", 5, encoder="efficientnet-lite0", heads=2, generator=seeded(7)).eval()
    save_model(model, tmp_path / "new.pt", spec={"class_names": list("abcde")})
    save_safetensors(model, tmp_path / "new.safetensors")
    content = torch.load(tmp_path / "new.pt", weights_only=True)
    content["state"] = with_old_names(content["state"])
    assert list(content["state"]) == str(GOLDEN["efficientnet-lite0_names"]).split("\n")
    torch.save(content, tmp_path / "old.pt")
    for again in (load_model(tmp_path / "old.pt", "cpu"), open_model(tmp_path / "old.pt")):
        assert list(again.state_dict()) == list(model.state_dict())
        assert all(torch.equal(value, model.state_dict()[key]) for key, value in again.state_dict().items())
    del content["state"]["encoder._bn0.weight"]
    torch.save(content, tmp_path / "damaged.pt")
    for read in (lambda path: load_model(path, "cpu"), open_model):
        with pytest.raises(ModelFileError, match=r"damaged\.pt: the stored spec and weights do not fit together"):
            read(tmp_path / "damaged.pt")


# One of each family, the smallest: residual, grouped, searched, mobile, dense, high-resolution, and transformers with
# windows, with pooled keys, with convolutions; some take sizes of multiples of 32 only, some put channels last.
SAMPLE = (
    "timm/convnext_atto",
    "timm/cspnext_tiny",
    "timm/dla46_c",
    "timm/edgenext_xx_small",
    "timm/efficientvit_b0",
    "timm/ghostnet_050",
    "timm/hgnetv2_b0",
    "timm/lcnet_035",
    "timm/mambaout_femto",
    "timm/mobilenetv4_conv_small_035",
    "timm/mobilevit_xxs",
    "timm/poolformerv2_s12",
    "timm/pvt_v2_b0",
    "timm/regnetx_002",
    "timm/repghostnet_050",
    "timm/resnet10t",
    "timm/starnet_s050",
    "timm/test_efficientnet",
    "timm/test_resnet",
    "timm/tiny_vit_5m_224",
)


@pytest.mark.parametrize("name", SAMPLE)
def test_a_network_of_each_family_of_timm_answers_at_an_odd_size(name: str) -> None:
    model = build_model("small", 5, encoder=name, heads=2, generator=seeded(1)).eval()
    with torch.no_grad():
        main, auxiliary, front = model.forward_with_front(drawn_input(*SIZE)[:1])
    assert main.shape == (1, 5, 25, 41)
    assert auxiliary is not None and auxiliary.shape == (1, 5, 7, 11)
    assert [feature.shape[1] for feature in front] == [model.encoder.channels[level] for level in (0, 1, 3)]
    assert bool(main.isfinite().all()) and float(main.std()) > 0
    assert full_size(model, main, SIZE).shape == (1, 5, *SIZE)


def test_the_large_families_have_the_pyramid_without_memory() -> None:
    """By shapes alone; windows of fixed sizes are freed."""
    names = ("swin_tiny_patch4_window7_224", "hrnet_w18_small", "densenet121", "resnext50_32x4d", "repvit_m0_9")
    assert [encoder_problem(f"timm/{name}", False, SIZE) for name in names] == [None] * len(names)


def test_timm_s_weights_come_from_the_seed_and_leave_the_global_generator_alone(tmp_path: Path) -> None:
    torch.manual_seed(5)
    before = torch.get_rng_state()
    name = "timm/tiny_vit_5m_224"  # linear layers, tables, and indices that are not in its state
    first, second = (build_model("small", 5, encoder=name, generator=seeded(seed)) for seed in (1, 2))
    assert torch.equal(torch.get_rng_state(), before)
    one, other = first.state_dict(), {key: value.clone() for key, value in second.state_dict().items()}
    second.initialise(seeded(1))
    assert all(torch.equal(value, one[key]) for key, value in second.state_dict().items())
    differing = [key for key, value in other.items() if not torch.equal(value, one[key])]
    assert any(key.startswith("encoder.") for key in differing) and any(key.startswith("head.") for key in differing)
    save_model(first.eval(), tmp_path / "m.pt", spec={})
    with torch.no_grad():
        expected = first(drawn_input(64, 96))[0]
        assert torch.equal(load_model(tmp_path / "m.pt", "cpu")(drawn_input(64, 96))[0], expected)


@pytest.mark.parametrize("prefix", ["", "module.backbone."])
@pytest.mark.parametrize("name", ["timm/convnext_atto", "mobilenet-v3-small", "efficientnet-lite1"])
def test_an_encoder_is_filled_from_a_file_of_its_own_weights(name: str, prefix: str, tmp_path: Path) -> None:
    if name == "mobilenet-v3-small":
        import torchvision.models

        theirs = torchvision.models.mobilenet_v3_small(weights=None).state_dict()
    else:
        theirs = timm.create_model({"efficientnet-lite1": "tf_efficientnet_lite1"}.get(name, name[5:])).state_dict()
    torch.save({"state_dict": {prefix + key: value for key, value in theirs.items()}}, tmp_path / "file.pth")
    model = build_model("small", 5, encoder=name)
    assert fill_encoder(model, tmp_path / "file.pth") == f"{tmp_path / 'file.pth'}: weights of the encoder {name}"
    filled = {key.replace("features.", "").replace(".", "_"): value for key, value in theirs.items()}
    for key, value in model.encoder.layers.state_dict().items():
        assert torch.equal(value, filled[key.replace(".", "_")])
    with pytest.raises(
        ModelFileError, match=r"file\.pth: does not fill the encoder timm/lcnet_035: \d+ of its 143 tensors"
    ):
        fill_encoder(build_model("small", 5, encoder="timm/lcnet_035"), tmp_path / "file.pth")


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("timm/resnet81", r"encoder: timm/resnet81: timm .* has no such network; did you mean 'timm/resnet"),
        ("timm/test_vit", r"encoder: timm/test_vit: has features at strides 16, and those at 4, 8, 16, 32 are needed"),
        ("timm/hiera_tiny_224", r"encoder: timm/hiera_tiny_224: cannot compute on images of 97x161 \(.*choose another"),
        ("timm/inception_v3", r"encoder: timm/inception_v3: has features of 28x44 where|has features of .* are needed"),
        ("efficientnet-lite3", r"encoder: efficientnet-lite3: choose one of .*; did you mean 'efficientnet-lite2'"),
    ],
)
def test_encoders_that_cannot_be_used_are_named_with_the_reason(name: str, problem: str) -> None:
    message = encoder_problem(name, False, SIZE)
    assert message is not None
    with pytest.raises(ReadableError, match=problem):
        raise ReadableError(message)


def test_weights_of_the_hub_that_are_not_here_are_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_arguments: object, **_options: object) -> None:
        raise OSError("no network\nand more")

    monkeypatch.setattr("timm.models._builder.load_state_dict_from_hf", refuse)
    with pytest.raises(ReadableError) as caught:
        build_model("small", 5, encoder="timm/resnet10t", pretrained=True)
    assert str(caught.value) == (
        "model.pretrained: the weights of timm/resnet10t are not on this machine and cannot be fetched (no network); "
        "name a file of them: `pretrained: PATH`"
    )


def test_weights_that_timm_has_here_are_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    theirs = timm.create_model("test_efficientnet").state_dict()
    monkeypatch.setattr("timm.models._builder.load_state_dict_from_hf", lambda *_names, **_options: dict(theirs))
    model = build_model("small", 5, encoder="timm/test_efficientnet", pretrained=True)
    assert isinstance(model.encoder, TimmEncoder)
    for key, value in model.encoder.layers.state_dict().items():
        assert torch.equal(value, theirs[key])


def test_networks_that_come_from_elsewhere_do_not_wait_for_timm() -> None:
    program = """
import sys
from pathlib import Path
from pipeline.checkpoints.recognise import recognise
from pipeline.models.build import ModelSpec, construct_model
from pipeline.params import Model
for architecture in ("small", "deeplabv2-resnet101"):
    network = construct_model(ModelSpec(architecture, 5, "mobilenet-v3-small", 1, 4, "caffe-bgr"))
assert recognise(network.state_dict()).kind.name == "deeplabv2-single"
Model(encoder="timm/resnet18")
sys.exit("timm" in sys.modules)
"""
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
