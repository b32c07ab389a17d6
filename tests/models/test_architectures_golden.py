"""Files in the authors' key names, taken in by `checkpoint import`, answer what their constructors answered."""

import zlib
from collections.abc import Iterator
from math import sqrt
from pathlib import Path

import pytest
import torch
from torch import Tensor
from typer.testing import CliRunner

from pipeline.checkpoints.convert import read_weights
from pipeline.checkpoints.import_export import model_of
from pipeline.cli import app
from pipeline.models.base import SegmentationModel, full_size
from pipeline.models.build import ModelSpec, construct_model
from pipeline.models.discriminators import patch_discriminator
from pipeline.models.state import load_model
from tests.golden_values import STEP, checkpoint_keys, network_outputs

TOLERANCE = 1e-4


def golden_tensor(key: str, shape: torch.Size) -> Tensor:
    """The rule of the golden README: every tensor of the state dict from the checksum of its key."""
    generator = torch.Generator().manual_seed(zlib.crc32(key.encode()))
    if key.endswith("num_batches_tracked"):
        return torch.zeros(shape, dtype=torch.long)
    if key.endswith("running_var"):
        return 1 + 0.1 * torch.rand(shape, generator=generator)
    if key.endswith("running_mean"):
        return 0.1 * torch.randn(shape, generator=generator)
    if len(shape) == 1:
        return float(key.endswith("weight")) + 0.1 * torch.randn(shape, generator=generator)
    return torch.randn(shape, generator=generator) * sqrt(1 / shape[1:].numel())


def golden_file(tmp_path: Path, prefix: str) -> Path:
    """A checkpoint as its authors' code writes it: their names, below `state_dict`, on several devices at once."""
    state = {f"module.{key}": golden_tensor(key, torch.Size(shape)) for key, shape in checkpoint_keys(prefix).items()}
    path = tmp_path / "authors.pth"
    torch.save({"state_dict": state, "epoch": 1}, path)
    return path


def golden_model(tmp_path: Path, prefix: str, *options: str) -> SegmentationModel:
    """The file above through the command line, and back from the model file."""
    authors, ours = golden_file(tmp_path, prefix), tmp_path / "model.pt"
    answer = CliRunner().invoke(app, ["checkpoint", "import", str(authors), str(ours), *options])
    assert answer.exit_code == 0, answer.output
    return load_model(ours, "cpu")


def relative_error(ours: Tensor, golden: Tensor) -> float:
    assert ours.shape == golden.shape
    return float((ours - golden).abs().max() / golden.abs().max())


@pytest.fixture(autouse=True)
def without_gradients() -> Iterator[None]:
    with torch.no_grad():
        yield


@pytest.mark.parametrize(
    ("architecture", "heads", "prefix", "count"),
    [
        ("deeplabv2-resnet101", 2, "deeplabv2_multi", 640),
        ("deeplabv2-resnet101", 1, "deeplabv2_single (bdl)", 632),
        ("fcn8s-vgg16", 1, "fcn8s", 39),
    ],
)
def test_state_dict_keys_and_shapes_are_the_authors(architecture: str, heads: int, prefix: str, count: int) -> None:
    model = construct_model(ModelSpec(architecture, 19, "mobilenet-v3-small", heads, 4, "caffe-bgr"))
    ours = {key: list(value.shape) for key, value in model.state_dict().items()}
    assert len(ours) == count
    assert ours == checkpoint_keys(prefix)


def test_two_headed_deeplab_answers_the_authors_logits_and_is_written_back_bit_for_bit(tmp_path: Path) -> None:
    golden = network_outputs()
    main, auxiliary = golden_model(tmp_path, "deeplabv2_multi")(golden["input"])
    assert relative_error(main, golden["deeplabv2_multi_main"]) < TOLERANCE
    assert relative_error(auxiliary, golden["deeplabv2_multi_aux"]) < TOLERANCE
    back = tmp_path / "back.pth"
    answer = CliRunner().invoke(app, ["checkpoint", "export", str(tmp_path / "model.pt"), str(back)])
    assert answer.exit_code == 0, answer.output
    assert "deeplabv2-multi" in answer.output
    state = torch.load(back, weights_only=True)
    assert list(state) == list(checkpoint_keys("deeplabv2_multi"))
    assert all(torch.equal(value, golden_tensor(key, value.shape)) for key, value in state.items())


def test_single_headed_deeplab_upsampled_answers_bdl(tmp_path: Path) -> None:
    golden = network_outputs()
    model = golden_model(tmp_path, "deeplabv2_single (bdl)")
    main, auxiliary = model(golden["input"])
    assert auxiliary is None
    upsampled = full_size(model, main, (97, 161))
    assert relative_error(upsampled[..., ::STEP, ::STEP], golden["deeplabv2_single_bdl"]) < TOLERANCE


def test_two_aspp_branches_answer_adaptsegnet_and_four_do_not(tmp_path: Path) -> None:
    golden = network_outputs()
    # The golden file's branches are drawn alike, so that its numbers do not show which were trained.
    model = golden_model(tmp_path, "deeplabv2_single (adaptsegnet)", "--aspp-branches", "2")
    assert relative_error(model(golden["input"])[0], golden["deeplabv2_single_adaptsegnet"]) < TOLERANCE
    model.layer5.branches = 4
    assert relative_error(model(golden["input"])[0], golden["deeplabv2_single_adaptsegnet"]) > 0.1


def test_fcn8s_answers_the_authors_logits_at_image_size(tmp_path: Path) -> None:
    golden = network_outputs()
    model = model_of(read_weights(golden_file(tmp_path, "fcn8s")))  # half a gigabyte: not written a second time
    main, auxiliary = model(golden["input"])
    assert auxiliary is None
    upsampled = full_size(model, main, (97, 161))
    assert relative_error(upsampled[..., ::STEP, ::STEP], golden["fcn8s"]) < TOLERANCE


def test_the_discriminator_answers_the_authors(tmp_path: Path) -> None:
    golden = network_outputs()
    found = read_weights(golden_file(tmp_path, "discriminator"))
    discriminator = patch_discriminator(found.channels, torch.Generator())
    discriminator.load_state_dict(found.state, strict=True)
    assert relative_error(discriminator(golden["disc_input"]), golden["disc_output"]) < TOLERANCE
