"""ResNet-38: sizes, and the same answer as a plain transcript of the authors' symbol, by their names."""

from __future__ import annotations

import zlib

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from pipeline.checkpoints.kinds import KINDS
from pipeline.models.base import full_size
from pipeline.models.build import ModelSpec, construct_model
from pipeline.models.resnet38 import ResNet38

Arrays = dict[str, Tensor]


def resnet38(classes: int = 19) -> ResNet38:
    model = construct_model(ModelSpec("resnet38", classes, "mobilenet-v3-small", 1, 4, "imagenet-rgb"))
    assert isinstance(model, ResNet38)
    return model


def random_arrays(classes: int) -> Arrays:
    """Every array of the authors' file, from the checksum of its name."""
    arrays = {}
    for slot in KINDS["resnet38-cbst"].slots(classes):
        generator = torch.Generator().manual_seed(zlib.crc32(slot.theirs.encode()))
        value = torch.randn(slot.shape, generator=generator)
        if slot.theirs.endswith(("_gamma", "_var")):
            value = 1 + 0.1 * value.abs()
        elif len(slot.shape) == 1:
            value = 0.1 * value
        else:
            value = value / value[0].numel() ** 0.5
        arrays[slot.theirs] = value
    return arrays


def bn_relu(arrays: Arrays, name: str, data: Tensor) -> Tensor:
    return functional.relu(
        functional.batch_norm(
            data,
            arrays[f"aux:{name}_moving_mean"],
            arrays[f"aux:{name}_moving_var"],
            arrays[f"arg:{name}_gamma"],
            arrays[f"arg:{name}_beta"],
            eps=1e-5,
        )
    )


def res_block(arrays: Arrays, data: Tensor, name: str, stride: int, dilations: list[int]) -> Tensor:
    """The authors' `res_block`: one dilation for each convolution of the long branch."""
    block = branch2 = bn_relu(arrays, f"bn{name}_branch2a", data)
    for place, dilation in enumerate(dilations):
        suffix = "a" if place == 0 else f"b{place}"
        if place:
            branch2 = bn_relu(arrays, f"bn{name}_branch2{suffix}", branch2)
        weight = arrays[f"arg:res{name}_branch2{suffix}_weight"]
        kernel = weight.shape[-1]
        padding = dilation if kernel == 3 else 0
        used = dilation if kernel == 3 else 1
        branch2 = functional.conv2d(branch2, weight, None, stride if place == 0 else 1, padding, used)
    if f"arg:res{name}_branch1_weight" not in arrays:
        return data + branch2
    return functional.conv2d(block, arrays[f"arg:res{name}_branch1_weight"], None, stride) + branch2


def authors_network(arrays: Arrays, data: Tensor, classes: int) -> Tensor:
    top = functional.conv2d(data, arrays["arg:conv1a_weight"], padding=1)
    for level, rest in ((2, 2), (3, 2), (4, 5)):
        top = res_block(arrays, top, f"{level}a", 2, [1, 1])
        for block in range(1, rest + 1):
            top = res_block(arrays, top, f"{level}b{block}", 1, [1, 1])
    top = res_block(arrays, top, "5a", 1, [1, 2])
    for block in (1, 2):
        top = res_block(arrays, top, f"5b{block}", 1, [2, 2])
    top = res_block(arrays, top, "6a", 1, [2, 4, 4])
    top = res_block(arrays, top, "7a", 1, [4, 4, 4])
    top = bn_relu(arrays, "bn7", top)
    top = functional.conv2d(top, arrays["arg:conv6a_weight"], arrays["arg:conv6a_bias"], padding=12, dilation=12)
    weight, bias = arrays[f"arg:linear{classes}_weight"], arrays[f"arg:linear{classes}_bias"]
    return functional.conv2d(functional.relu(top), weight, bias, padding=12, dilation=12)


def test_it_answers_what_a_transcript_of_the_authors_symbol_answers() -> None:
    arrays = random_arrays(5)
    state = {slot.ours: arrays[slot.theirs] for slot in KINDS["resnet38-cbst"].slots(5)}
    model = resnet38(5)
    counters = {key: torch.tensor(0) for key in model.state_dict() if key not in state}
    model.load_state_dict({**state, **counters}, assign=True)
    image = torch.randn(1, 3, 41, 56, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        expected = authors_network(arrays, image, 5)
        answer, auxiliary = model.eval()(image)
    assert auxiliary is None
    assert answer.shape == (1, 5, 6, 7)
    assert float((answer - expected).abs().max() / expected.abs().max()) < 1e-5


def test_it_has_the_authors_number_of_weights() -> None:
    model = resnet38(19)
    blocks, channels = 0, 64
    for widths, count in (((128, 128), 3), ((256, 256), 3), ((512, 512), 6), ((512, 1024), 3)):
        first, second = widths
        blocks += count * (9 * first * second + 2 * first)  # second convolution, its normalisation
        blocks += 9 * channels * first + 2 * channels + channels * second  # first block, with its projection
        blocks += (count - 1) * (9 * second * first + 2 * second)
        channels = second
    for first, second, last in ((512, 1024, 2048), (1024, 2048, 4096)):
        blocks += (
            channels * first + 9 * first * second + second * last + channels * last + 2 * (channels + first + second)
        )
        channels = last
    head = 9 * 4096 * 512 + 512 + 9 * 512 * 19 + 19
    assert sum(parameter.numel() for parameter in model.parameters()) == 9 * 3 * 64 + blocks + 2 * 4096 + head
    assert round(sum(parameter.numel() for parameter in model.parameters()) / 1e6) == 124


@pytest.mark.parametrize(("size", "answered"), [((64, 128), (8, 16)), ((65, 129), (9, 17)), ((504, 504), (63, 63))])
def test_it_answers_at_stride_8_rounded_up(size: tuple[int, int], answered: tuple[int, int]) -> None:
    logits, _, front = resnet38().forward_with_front(torch.empty(2, 3, *size, device="meta"))
    assert logits.shape == (2, 19, *answered)
    assert front[0].shape[1:] == (256, -(-size[0] // 4), -(-size[1] // 4))
    assert front[1].shape[1:] == (512, *answered)


def test_its_logits_are_enlarged_to_the_image() -> None:
    model = resnet38(3)
    assert full_size(model, torch.zeros(1, 3, 8, 16), (64, 128)).shape == (1, 3, 64, 128)


def test_dropout_stands_in_the_last_two_levels_only() -> None:
    model = resnet38(3)
    assert {name: block.dropout for name, block in model.named_children() if getattr(block, "dropout", 0)} == {
        "res6a": 0.3,
        "res7a": 0.5,
    }
