"""Networks among other tensors, and several networks in one file."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from pipeline.checkpoints.choose import choose_network
from pipeline.checkpoints.kinds import KINDS
from pipeline.checkpoints.reading import CheckpointFile
from pipeline.checkpoints.recognise import networks_in, recognise
from pipeline.models.model_file import ModelFileError

Tensors = dict[str, Tensor]
PATH = Path("file.ckpt")


def of_kind(kind: str = "mobilenet-v3-small-imagenet", prefix: str = "") -> Tensors:
    """Tensors without memory."""
    return {prefix + slot.theirs: torch.empty(slot.shape, device="meta") for slot in KINDS[kind].slots(19)}


def buffer(*names: str) -> Tensors:
    return {name: torch.empty(3, device="meta") for name in names}


def file_of(tensors: Tensors, inside: str = "", **others: Tensors) -> CheckpointFile:
    return CheckpointFile(tensors, "torch's zip archive", inside, [], {}, others)


@pytest.mark.parametrize("kind", ["mobilenet-v3-small-imagenet", "deeplabv2-multi", "resnet101-imagenet"])
@pytest.mark.parametrize("prefix", ["", "model.", "model.net.module."])
def test_a_metric_s_buffers_and_a_loss_s_weights_beside_a_network_are_listed(kind: str, prefix: str) -> None:
    extra = buffer("val_iou.confmat", "criterion.weight", "ema_decay")
    match = recognise(of_kind(kind, prefix) | extra)
    assert match is not None
    assert (match.kind.name, match.prefix) == (kind, prefix)
    assert match.ignored == list(extra)


def test_tensors_inside_a_network_that_no_kind_has_are_listed() -> None:
    match = recognise(of_kind(prefix="net.") | buffer("net.criterion.weight"))
    assert match is not None
    assert match.ignored == ["criterion.weight"]


def test_a_head_that_does_not_fit_is_no_extra() -> None:
    """An encoder whose head is of another shape must not be read as an encoder only."""
    assert recognise(of_kind("resnet101-imagenet") | buffer("layer6.conv2d_list.0.weight")) is None


def test_a_discriminator_beside_a_network_is_listed() -> None:
    match = recognise(of_kind(prefix="G.") | of_kind("discriminator", "D."))
    assert match is not None
    assert match.prefix == "G."
    assert {name.partition(".")[0] for name in match.ignored} == {"D"}


@pytest.mark.parametrize("wrapper", ["_orig_mod.", "_fsdp_wrapped_module.", "_checkpoint_wrapped_module."])
def test_wrappers_are_taken_out_wherever_they_are(wrapper: str) -> None:
    tensors = of_kind(prefix="module.")
    half = {
        name.replace("features.0.", f"features.{wrapper}0.").replace(
            "module.features.4", f"module.{wrapper}features.4"
        ): t
        for name, t in tensors.items()
    }
    assert set(half) != set(tensors)
    assert choose_network(PATH, file_of(half), None).match.prefix == "module."
    assert recognise(half) is None


def test_two_networks_are_named_and_the_prefix_chooses() -> None:
    file = file_of(of_kind(prefix="student.") | of_kind(prefix="teacher."), "state_dict")
    said = r"holds 2 networks: state_dict\.student \(mobilenet-v3-small-imagenet\); state_dict\.teacher .*--prefix"
    with pytest.raises(ModelFileError, match=said):
        choose_network(PATH, file, None)
    for prefix in ("student", "student.", "state_dict.student"):
        assert choose_network(PATH, file, prefix).match.prefix == "student."
    with pytest.raises(ModelFileError, match=r"no network below 'ema'; it holds state_dict\.student"):
        choose_network(PATH, file, "ema")


def test_an_average_in_a_dict_of_its_own_is_a_network_too() -> None:
    file = file_of(of_kind(), "model", ema=of_kind(), optimizer=buffer("momentum"))
    with pytest.raises(ModelFileError, match=r"holds 2 networks: model \(.*\); ema \("):
        choose_network(PATH, file, None)
    assert choose_network(PATH, file, "ema").inside == "ema"


def test_a_network_in_a_network_counts_once() -> None:
    """Caffe's names are torchvision's below `Scale.`."""
    assert [match.kind.name for match in networks_in(of_kind("deeplabv2-imagenet-caffe", "module."))] == [
        "deeplabv2-imagenet-caffe"
    ]
