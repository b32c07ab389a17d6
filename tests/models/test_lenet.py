"""LeNet: one answer for a whole image."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from pipeline.models.base import full_size
from pipeline.models.build import build_model
from pipeline.models.state import load_model, save_model


def images(size: int = 28, count: int = 3) -> torch.Tensor:
    return torch.randn(count, 3, size, size, generator=torch.Generator().manual_seed(1))


def test_it_has_the_published_layers() -> None:
    counted = {name: value.numel() for name, value in build_model("lenet", 10).named_parameters()}
    assert counted == {
        "conv1.weight": 500, "conv1.bias": 20, "conv2.weight": 25_000, "conv2.bias": 50,
        "hidden.weight": 400_000, "hidden.bias": 500, "classify.weight": 5_000, "classify.bias": 10,
    }  # fmt: skip


@pytest.mark.parametrize("size", [(28, 28), (16, 16), (37, 5)])
def test_every_pixel_has_the_image_s_answer_to_the_bit(size: tuple[int, int]) -> None:
    model = build_model("lenet", 10).eval()
    with torch.no_grad():
        logits_NC11, auxiliary = model(images())
        logits_NCHW = full_size(model, logits_NC11, size)
    assert auxiliary is None
    assert logits_NC11.shape == (3, 10, 1, 1)
    assert torch.equal(logits_NCHW, logits_NC11.expand(-1, -1, *size))


def test_images_of_28_pixels_are_not_averaged_and_other_sizes_are_answered() -> None:
    model = build_model("lenet", 10).eval()
    with torch.no_grad():
        second_NDhw = model.forward_with_front(images())[2][1]
        assert second_NDhw.shape == (3, 50, 4, 4)
        by_hand_NC = model.classify(model.hidden(second_NDhw).relu())
        assert torch.equal(model(images())[0], by_hand_NC)
        for size in (16, 21, 32, 60):
            assert model(images(size))[0].shape == (3, 10, 1, 1)


def test_colours_are_averaged() -> None:
    model = build_model("lenet", 10).eval()
    colour_N3HW = images()
    with torch.no_grad():
        grey = model(colour_N3HW.mean(dim=1, keepdim=True).expand(-1, 3, -1, -1))[0]
        torch.testing.assert_close(model(colour_N3HW)[0], grey)


def test_it_drops_out_in_training_only() -> None:
    model = build_model("lenet", 10)
    first, second = (model.train()(images())[0] for _ in range(2))
    assert not torch.equal(first, second)
    model.eval()
    assert torch.equal(model(images())[0], model(images())[0])


def test_a_file_keeps_it(tmp_path: Path) -> None:
    model = build_model("lenet", 10, generator=torch.Generator().manual_seed(3)).eval()
    save_model(model, tmp_path / "model.pt", spec={"class_names": list("0123456789")})
    loaded = load_model(tmp_path / "model.pt", "cpu")
    assert torch.equal(loaded(images())[0], model(images())[0])
    assert loaded.preprocessing.name == "lite-rgb"


def test_it_has_one_head() -> None:
    with pytest.raises(ValueError, match="heads is 2; choose one of 1"):
        build_model("lenet", 10, heads=2)
