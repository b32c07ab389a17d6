"""Building: seeds, refusals, what trains and what does not."""

import copy
import math
from collections.abc import Iterator
from typing import get_args

import pytest
import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from pipeline.models.base import SegmentationModel
from pipeline.models.build import (
    ARCHITECTURES,
    MIT_NETWORKS,
    VIT_NETWORKS,
    ModelSpec,
    build_model,
    construct_model,
    set_normalisation,
)
from pipeline.models.encoders import ENCODERS
from pipeline.models.fcn import FCN8s, bilinear_kernel
from pipeline.params.model import SmallEncoder


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_params_yaml_names_the_encoders_that_there_are() -> None:
    assert list(get_args(SmallEncoder)) == list(ENCODERS)


def test_the_architectures_are_those_we_promise() -> None:
    assert list(ARCHITECTURES)[:5] == ["small", "deeplabv2-resnet101", "fcn8s-vgg16", "resnet38", "lenet"]
    assert list(ARCHITECTURES)[5:] == ["segformer", "daformer", "hrda", "vit-linear", "vit-upernet"]


@pytest.mark.parametrize("encoder", sorted(ENCODERS))
def test_same_seed_gives_same_weights_and_another_seed_others(encoder: str) -> None:
    first, second, other = (
        build_model("small", 5, encoder=encoder, generator=seeded(seed)).state_dict() for seed in (1, 1, 2)
    )
    assert all(torch.equal(first[key], second[key]) for key in first)
    assert not torch.equal(first["head.refine.0.pointwise.weight"], other["head.refine.0.pointwise.weight"])


def test_building_leaves_the_global_generator_alone() -> None:
    torch.manual_seed(5)
    before = torch.get_rng_state()
    first = build_model("small", 5, generator=seeded(1)).state_dict()
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(6)
    second = build_model("small", 5, generator=seeded(1)).state_dict()
    assert all(torch.equal(first[key], second[key]) for key in first)


def test_without_a_generator_the_weights_are_those_of_seed_0() -> None:
    default = build_model("small", 5).state_dict()
    zero = build_model("small", 5, generator=seeded(0)).state_dict()
    assert all(torch.equal(default[key], zero[key]) for key in default)


def test_initialisation_follows_he_and_classifiers_start_near_uniform() -> None:
    model = build_model("small", 19, encoder="efficientnet-lite0")
    block = model.encoder.layers.blocks[5][1]
    assert float(block.conv_dw.weight.detach().std()) == pytest.approx(math.sqrt(2 / 25), rel=0.05)
    assert float(block.conv_pw.weight.detach().std()) == pytest.approx(math.sqrt(2 / 192), rel=0.05)
    assert float(model.head.classify.weight.detach().std()) == pytest.approx(0.01, rel=0.1)
    for parameter in model.parameters():
        assert bool(torch.isfinite(parameter).all())


def test_a_layer_without_initialisation_rule_is_refused() -> None:
    model = build_model("small", 5)
    model.add_module("extra", nn.Bilinear(2, 2, 2))
    with pytest.raises(TypeError, match="no initialisation rule for layer 'extra' of type Bilinear"):
        model.initialise(seeded(0))


def test_all_wrong_values_are_named_at_once() -> None:
    with pytest.raises(ValueError, match="architecture is 'unet'; choose one of small, ") as caught:
        build_model("unet", 1, heads=3, aspp_branches=1, preprocessing="bgr")
    for part in ("heads is 3", "aspp_branches is 1", "preprocessing is 'bgr'", "classes is 1"):
        assert part in str(caught.value)


@pytest.mark.parametrize("architecture", ["fcn8s-vgg16", "resnet38"])
def test_some_networks_have_one_head_only(architecture: str) -> None:
    with pytest.raises(ValueError, match="heads is 2; choose one of 1"):
        build_model(architecture, 5, heads=2)


@pytest.mark.parametrize(
    ("architecture", "encoder"), [("small", "mobilenet-v3-small"), ("deeplabv2-resnet101", "efficientnet-lite0")]
)
def test_pretrained_is_refused_where_there_are_no_weights(architecture: str, encoder: str) -> None:
    with pytest.raises(ValueError, match="'small' has some with encoder efficientnet-lite0, "):
        build_model(architecture, 5, encoder=encoder, pretrained=True)


@pytest.mark.parametrize(
    ("architecture", "encoder", "name"),
    [
        ("small", "mobilenet-v3-large", "imagenet-rgb"),
        ("small", "efficientnet-lite0", "lite-rgb"),
        ("deeplabv2-resnet101", "mobilenet-v3-small", "caffe-bgr"),
        ("fcn8s-vgg16", "mobilenet-v3-small", "caffe-bgr"),
        ("lenet", "mobilenet-v3-small", "lite-rgb"),
        ("resnet38", "mobilenet-v3-small", "imagenet-rgb"),
        ("vit-linear", "timm/vit_tiny_patch16_224", "inception-rgb"),
        ("vit-upernet", "timm/vit_small_patch14_dinov2", "imagenet-rgb"),
    ],
)
def test_default_preprocessing_is_that_of_the_published_weights(
    architecture: str, encoder: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Shapes are enough here; VGG's 134 million weights are not drawn.
    monkeypatch.setattr(SegmentationModel, "initialise", lambda _model, _generator: None)
    monkeypatch.setattr(FCN8s, "initialise", lambda _model, _generator: None)
    model = build_model(architecture, 5, encoder=encoder)
    assert model.preprocessing.name == name
    assert model.spec["preprocessing"] == name
    assert (
        build_model(architecture, 5, encoder=encoder, preprocessing="imagenet-rgb").preprocessing.name == "imagenet-rgb"
    )


def of(architecture: str, heads: int = 1, aspp_branches: int = 4) -> SegmentationModel:
    encoder = "mit-b0" if architecture in MIT_NETWORKS else "mobilenet-v3-small"
    encoder = "timm/vit_tiny_patch16_224" if architecture in VIT_NETWORKS else encoder
    return construct_model(ModelSpec(architecture, 19, encoder, heads, aspp_branches, "caffe-bgr"))


def sizes(model: SegmentationModel) -> dict[str, int]:
    return {name: len(group) for name, group in model.parameter_groups().items()}


@pytest.mark.parametrize("architecture", list(ARCHITECTURES))
def test_parameter_groups_hold_each_trainable_parameter_once(architecture: str) -> None:
    model = of(architecture)
    grouped = [id(parameter) for group in model.parameter_groups().values() for parameter in group]
    trainable = [id(parameter) for parameter in model.parameters() if parameter.requires_grad]
    assert list(model.parameter_groups()) == ["encoder", "head", "encoder_bias", "head_bias"]
    assert sorted(grouped) == sorted(trainable)
    assert len(set(grouped)) == len(grouped)


def test_fcn8s_groups_leave_out_the_deconvolutions() -> None:
    # 13 + 2 convolutions with biases in the encoder, 3 scores in the head, 3 deconvolutions in neither.
    assert sizes(of("fcn8s-vgg16")) == {"encoder": 15, "head": 3, "encoder_bias": 15, "head_bias": 3}


def test_deeplab_groups_count_as_the_authors_with_fixed_affine() -> None:
    model = of("deeplabv2-resnet101", heads=2)
    set_normalisation(model, "affine_frozen")
    # 104 convolutions in the encoder, two heads of four branches; parameters as counted in the authors' network.
    assert sizes(model) == {"encoder": 104, "head": 8, "encoder_bias": 0, "head_bias": 8}
    assert sum(parameter.numel() for parameter in model.parameters()) == 44_601_560
    grouped = [parameter for group in model.parameter_groups().values() for parameter in group]
    assert sum(parameter.numel() for parameter in grouped) == 44_496_216


def test_unused_aspp_branches_are_in_no_group() -> None:
    assert sizes(of("deeplabv2-resnet101", aspp_branches=2))["head"] == 2
    assert sizes(of("deeplabv2-resnet101", aspp_branches=4))["head"] == 4


def test_deeplab_rounds_its_resolution_up() -> None:
    logits, _ = of("deeplabv2-resnet101")(torch.empty(1, 3, 512, 1024, device="meta"))
    assert logits.shape == (1, 19, 65, 129)


def test_bilinear_kernel_by_hand() -> None:
    profile = torch.tensor([0.25, 0.75, 0.75, 0.25], dtype=torch.float64)
    assert torch.equal(bilinear_kernel(4), torch.outer(profile, profile))


def test_fcn8s_deconvolutions_start_bilinear_class_by_class() -> None:
    model = of("fcn8s-vgg16")
    # Only the deconvolutions get memory: the rest of VGG would take half a gigabyte.
    for name in ("upscore2", "upscore8", "upscore_pool4"):
        model.get_submodule(name).to_empty(device="cpu")
    model.initialise(seeded(0))
    kernel = model.upscore8.weight
    assert not kernel.requires_grad
    for i in range(19):
        for j in range(19):
            expected = bilinear_kernel(16).float() if i == j else torch.zeros(16, 16)
            assert torch.equal(kernel[i, j], expected)


def test_fcn8s_deconvolution_of_a_constant_is_the_constant() -> None:
    # Away from the border: each output pixel's kernel weights sum to 1.
    kernel = bilinear_kernel(16).float().view(1, 1, 16, 16)
    answer = nn.functional.conv_transpose2d(torch.full((1, 1, 6, 6), 3.0), kernel, stride=8)
    assert torch.allclose(answer[..., 8:-8, 8:-8], torch.tensor(3.0), atol=1e-5)


@pytest.fixture
def model() -> Iterator[SegmentationModel]:
    yield build_model("small", 5)


def statistics(model: SegmentationModel) -> list[torch.Tensor]:
    return [layer.running_mean.clone() for layer in model.modules() if isinstance(layer, _BatchNorm)]


def forward_once(model: SegmentationModel) -> bool:
    """Whether the running statistics move in one forward pass in training mode."""
    before = statistics(model)
    model.train()
    model(torch.randn(2, 3, 32, 64, generator=seeded(4)) + 1)
    return any(not torch.equal(old, new) for old, new in zip(before, statistics(model), strict=True))


def affine_trains(model: SegmentationModel) -> bool:
    answers = {
        parameter.requires_grad
        for layer in model.modules()
        if isinstance(layer, _BatchNorm)
        for parameter in layer.parameters()
    }
    assert len(answers) == 1
    return answers.pop()


@pytest.mark.parametrize(
    ("mode", "statistics_move", "affine"),
    [("frozen", False, False), ("affine_frozen", True, False), ("train", True, True)],
)
def test_normalisation_modes(model: SegmentationModel, mode: str, statistics_move: bool, affine: bool) -> None:
    set_normalisation(model, mode)
    assert affine_trains(model) is affine
    assert forward_once(model) is statistics_move


def test_frozen_survives_evaluation_copying_and_later_training_calls(model: SegmentationModel) -> None:
    set_normalisation(model, "frozen")
    model.eval()
    teacher = copy.deepcopy(model.train())
    for network in (model, teacher):
        assert not forward_once(network)
        assert network.training
        assert network.head.training


def test_frozen_uses_the_stored_statistics_and_affine_frozen_the_batch(model: SegmentationModel) -> None:
    images = torch.randn(2, 3, 32, 64, generator=seeded(4)) + 1
    with torch.no_grad():
        stored = model.eval()(images)[0]
        set_normalisation(model, "frozen")
        frozen = model.train()(images)[0]
        set_normalisation(model, "affine_frozen")
        batch = model.train()(images)[0]
    assert torch.equal(frozen, stored)
    assert not torch.allclose(batch, stored, rtol=1e-2, atol=1e-4)


def test_normalisation_can_thaw_again(model: SegmentationModel) -> None:
    set_normalisation(model, "frozen")
    set_normalisation(model, "train")
    assert affine_trains(model)
    assert forward_once(model)


def test_setting_normalisation_keeps_the_mode_of_the_model(model: SegmentationModel) -> None:
    model.eval()
    set_normalisation(model, "train")
    assert not any(module.training for module in model.modules())


def test_unknown_normalisation_is_refused(model: SegmentationModel) -> None:
    with pytest.raises(ValueError, match="normalisation is 'off'; choose one of frozen, affine_frozen, train"):
        set_normalisation(model, "off")
