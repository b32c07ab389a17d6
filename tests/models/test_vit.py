"""Plain vision transformers of timm: logits of any size, weights of files, nothing drawn elsewhere."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from pipeline.check.problems import data_problems
from pipeline.checkpoints.convert import read_weights
from pipeline.checkpoints.recognise import recognise
from pipeline.common.errors import ReadableError
from pipeline.models.base import SegmentationModel
from pipeline.models.build import ModelSpec, build_model, construct_model
from pipeline.params import read_params
from pipeline.training.fill import fill

TINY, DINOV2 = "timm/vit_tiny_patch16_224", "timm/vit_small_patch14_dinov2.lvd142m"


def drawn(architecture: str, seed: int = 1) -> SegmentationModel:
    generator = torch.Generator().manual_seed(seed)
    return build_model(architecture, 5, encoder=TINY, generator=generator).eval()


def image(height: int, width: int) -> Tensor:
    return torch.randn(1, 3, height, width, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(
    ("architecture", "size", "expected"),
    [
        ("vit-linear", (32, 64), (2, 4)),
        ("vit-linear", (33, 49), (3, 4)),
        ("vit-upernet", (32, 64), (8, 16)),
        ("vit-upernet", (33, 49), (9, 13)),
    ],
)
def test_logits_cover_images_of_any_size(architecture: str, size: tuple[int, int], expected: tuple[int, int]) -> None:
    model = drawn(architecture)
    with torch.no_grad():
        logits, auxiliary, features = model.forward_with_front(image(*size))
    assert logits.shape == (1, 5, *expected)
    assert auxiliary is None
    assert logits.is_contiguous()  # as stored in a cache, so that its up-sampling is the same bit for bit
    patches = (-(-size[0] // 16), -(-size[1] // 16))
    assert [tuple(feature.shape) for feature in features] == [(1, 192, *patches)] * 3


def test_sides_that_are_no_multiples_of_the_patch_are_enlarged_to_the_next_ones() -> None:
    model, small = drawn("vit-linear"), image(33, 49)
    large = functional.interpolate(small, (48, 64), mode="bilinear", align_corners=False)
    with torch.no_grad():
        assert torch.equal(model(small)[0], model(large)[0])
        assert not torch.equal(model(large)[0], model(large.flip(-1))[0])


def test_features_are_timm_s_own() -> None:
    model, small = drawn("vit-linear"), image(32, 64)
    with torch.no_grad():
        tokens = model.backbone.layers.forward_features(small)[:, 1:]
        expected = tokens.transpose(1, 2).reshape(1, 192, 2, 4)
        assert torch.equal(model.backbone(small)[-1], expected)


def test_fresh_weights_come_from_the_generator_alone() -> None:
    torch.manual_seed(0)
    before = torch.get_rng_state()
    first, second, other = (drawn("vit-upernet", seed).state_dict() for seed in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(first[key], second[key]) for key in first)
    assert not torch.equal(first["backbone.layers.pos_embed"], other["backbone.layers.pos_embed"])
    assert float(first["backbone.layers.pos_embed"].std()) == pytest.approx(0.0176, rel=0.03)
    assert torch.equal(first["backbone.layers.norm.weight"], torch.ones(192))


def test_a_step_of_a_batch_of_one_has_finite_gradients_everywhere() -> None:
    model = drawn("vit-upernet").train()
    model(image(32, 64))[0].square().mean().backward()
    missing = [
        name for name, value in model.named_parameters() if value.grad is None or not value.grad.isfinite().all()
    ]
    assert missing == []


def metas_file(*, timm: bool = False) -> dict[str, Tensor]:
    """DINOv2 ViT-S/14 as Meta stores it, or as timm does."""
    model = construct_model(ModelSpec("vit-linear", 19, DINOV2, 1, 4, "imagenet-rgb"))
    tensors = {
        key.removeprefix("backbone.layers."): torch.zeros(value.shape)
        for key, value in model.state_dict().items()
        if key.startswith("backbone.")
    }
    assert len(tensors) == 174
    return tensors if timm else {**tensors, "mask_token": torch.zeros(1, 384)}


@pytest.mark.parametrize(("timm", "ignored"), [(False, ["mask_token"]), (True, [])])
def test_dinov2_s_files_of_meta_and_timm_are_recognised(timm: bool, ignored: list[str]) -> None:
    match = recognise(metas_file(timm=timm))
    assert match is not None
    assert (match.kind.name, match.ignored) == ("dinov2-vits14", ignored)


def test_a_file_of_an_encoder_fills_that_of_the_other_head_too(tmp_path: Path) -> None:
    theirs = {key: value + 0.5 for key, value in metas_file().items()}
    torch.save(theirs, tmp_path / "dinov2_vits14_pretrain.pth")
    model = build_model("vit-upernet", 19, encoder=DINOV2)
    fresh = fill(model, read_weights(tmp_path / "dinov2_vits14_pretrain.pth"), tmp_path)
    assert fresh == ["decode_head"]
    assert bool((model.backbone.layers.blocks[11].mlp.fc2.weight == 0.5).all())


@pytest.mark.parametrize("encoder", ["timm/no_such_network", "timm/resnet18"])
def test_what_is_no_plain_transformer_of_timm_is_refused(encoder: str) -> None:
    with pytest.raises(ReadableError, match=f"model.encoder: {encoder} is not a plain vision transformer of timm"):
        construct_model(ModelSpec("vit-linear", 19, encoder, 1, 4, "imagenet-rgb"))


@pytest.mark.parametrize("encoder", ["timm/no_such_network", "timm/resnet18"])
def test_check_refuses_it_before_anything_is_trained(
    tiny_params: dict, write_params: Callable[[dict], Path], encoder: str
) -> None:
    tiny_params["model"] = {"architecture": "vit-linear", "encoder": encoder}
    params = read_params(write_params(tiny_params))
    assert any(f"model.encoder: {encoder} is not a plain vision transformer" in line for line in data_problems(params))
