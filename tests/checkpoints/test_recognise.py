"""Which kind a file is, by names and shapes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
import torchvision.models
from torch import Tensor

from pipeline.checkpoints.kinds import KINDS, kind_of_model
from pipeline.checkpoints.recognise import closest, recognise

TIMM = json.loads((Path(__file__).parent / "timm_names.json").read_text())
Tensors = dict[str, Tensor]
DEEPER = tuple(f"mit-b{size}" for size in range(1, 6))
"""Ends of names of kinds that differ from those of MiT-B0 in nothing but length, and take long to list."""


def file_of(kind: str, classes: int = 19, prefix: str = "") -> Tensors:
    """Tensors without memory."""
    return {prefix + slot.theirs: torch.empty(slot.shape, device="meta") for slot in KINDS[kind].slots(classes)}


def torchvision_file(name: str) -> Tensors:
    with torch.device("meta"):
        return dict(getattr(torchvision.models, name)(weights=None).state_dict())


@pytest.mark.parametrize("prefix", ["", "module.", "model.module."])
@pytest.mark.parametrize("kind", list(KINDS))
def test_every_kind_is_recognised_whatever_is_put_before_its_names(kind: str, prefix: str) -> None:
    found = recognise(file_of(kind, prefix=prefix))
    assert found is not None
    # an encoder in Caffe's names with another prefix than Scale is the same file
    assert (found.kind.name, found.prefix) == (kind, prefix)
    assert found.classes == 19


@pytest.mark.parametrize("classes", [2, 13, 16, 21])
def test_the_number_of_classes_is_read_from_the_shapes(classes: int) -> None:
    for name, kind in KINDS.items():
        if not kind.encoder_only and not name.endswith(DEEPER):
            found = recognise(file_of(name, classes))
            assert found is not None, name
            assert (found.kind.name, found.classes) == (name, classes)


def test_layer5_means_two_things() -> None:
    """One name, told apart by its shape: 2048 channels are the only head, 1024 the auxiliary one of two."""
    single, multi = file_of("deeplabv2-single"), file_of("deeplabv2-multi")
    name = "layer5.conv2d_list.0.weight"
    assert (single[name].shape[1], multi[name].shape[1]) == (2048, 1024)
    without_main = {key: value for key, value in multi.items() if not key.startswith("layer6")}
    assert recognise(without_main) is None
    said = closest(without_main)
    assert "closest is deeplabv2-single" in said
    assert "layer5.conv2d_list.0.weight is 19x1024x3x3 and not 19x2048x3x3" in said


def test_files_of_before_counters_are_the_same_kind() -> None:
    old = {key: value for key, value in file_of("deeplabv2-multi").items() if "num_batches" not in key}
    found = recognise(old)
    assert found is not None
    assert (found.kind.name, found.has_counters) == ("deeplabv2-multi", False)


def test_the_caffe_file_s_own_classifier_is_not_read() -> None:
    caffe = file_of("deeplabv2-imagenet-caffe")
    for branch in range(4):
        caffe[f"Scale.layer5.conv2d_list.{branch}.weight"] = torch.empty(21, 2048, 3, 3, device="meta")
    found = recognise(caffe)
    assert found is not None
    assert (found.kind.name, found.prefix, len(found.ignored)) == ("deeplabv2-imagenet-caffe", "", 4)


@pytest.mark.parametrize(
    ("name", "kind", "ignored"),
    [
        ("resnet101", "resnet101-imagenet", 2),
        ("vgg16", "vgg16-imagenet-torchvision", 2),
        ("mobilenet_v3_small", "mobilenet-v3-small-imagenet", 10),
        ("mobilenet_v3_large", "mobilenet-v3-large-imagenet", 10),
    ],
)
def test_torchvision_s_networks(name: str, kind: str, ignored: int) -> None:
    found = recognise(torchvision_file(name))
    assert found is not None
    assert (found.kind.name, len(found.ignored)) == (kind, ignored)


@pytest.mark.parametrize(
    ("name", "kind"), [("tf_efficientnet_lite0", "efficientnet-lite0-imagenet-timm"), ("vgg16", "vgg16-imagenet-timm")]
)
def test_timm_s_networks(name: str, kind: str) -> None:
    """Names and shapes as timm 1.0 has them (timm_names.json)."""
    found = recognise({key: torch.empty(shape, device="meta") for key, shape in TIMM[name].items()})
    assert found is not None
    assert found.kind.name == kind


@pytest.mark.parametrize(
    ("name", "said"),
    [
        (
            "resnet50",
            r"closest is resnet101-imagenet.*: \d+ tensors fit; \d+ missing: layer3.6.conv1.weight",
        ),
        ("vgg16_bn", r"closest is vgg16-imagenet-torchvision.* not known: features.1.weight"),
    ],
)
def test_a_network_that_is_not_known_is_compared_with_the_closest(name: str, said: str) -> None:
    tensors = torchvision_file(name)
    assert recognise(tensors) is None
    with pytest.raises(AssertionError, match=said):
        raise AssertionError(closest(tensors))


def test_a_file_of_something_else_is_shown() -> None:
    said = closest({"embedding": torch.empty(3), "norm.g": torch.empty(2)})
    assert said == "none of its 2 tensors (embedding, norm.g) is in any known kind of checkpoint"


def test_every_whole_network_of_an_author_can_be_written_back() -> None:
    for name, kind in KINDS.items():
        if kind.spec is not None and not kind.encoder_only:
            found = kind_of_model(kind.spec)
            assert found is not None
            assert found.name == name
