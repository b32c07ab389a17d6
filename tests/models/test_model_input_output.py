"""Preprocessing and up-sampling, by hand."""

import pytest
import torch

from pipeline.models.base import PREPROCESSINGS, Upsample, full_size
from pipeline.models.build import build_model
from pipeline.models.fcn import FCN8s

RED, GREEN, BLUE = 255, 127, 0


def pixel(name: str) -> list[float]:
    image = torch.tensor([RED, GREEN, BLUE], dtype=torch.uint8).view(1, 3, 1, 1)
    answer = PREPROCESSINGS[name](image)
    assert answer.dtype == torch.float32
    assert answer.shape == (1, 3, 1, 1)
    return answer.flatten().tolist()


def test_imagenet_rgb() -> None:
    expected = [(1 - 0.485) / 0.229, (127 / 255 - 0.456) / 0.224, -0.406 / 0.225]
    assert pixel("imagenet-rgb") == pytest.approx(expected, rel=1e-6)


def test_caffe_bgr_reverses_the_channels_and_does_not_scale() -> None:
    expected = [0 - 104.00698793, 127 - 116.66876762, 255 - 122.67891434]
    assert pixel("caffe-bgr") == pytest.approx(expected, rel=1e-6)


def test_lite_rgb() -> None:
    assert pixel("lite-rgb") == [1.0, 0.0, -127 / 128]


def test_names_are_the_keys() -> None:
    names = {name: preprocessing.name for name, preprocessing in PREPROCESSINGS.items()}
    assert names == {name: name for name in names}
    assert {"imagenet-rgb", "caffe-bgr", "lite-rgb"} <= set(names)


@pytest.mark.parametrize(
    "image",
    [torch.zeros(1, 3, 2, 2), torch.zeros(3, 2, 2, dtype=torch.uint8), torch.zeros(1, 1, 2, 2, dtype=torch.uint8)],
)
def test_preprocessing_refuses_anything_but_rgb_bytes(image: torch.Tensor) -> None:
    with pytest.raises(ValueError, match=r"'lite-rgb' reads RGB uint8 images of shape \(N, 3, H, W\)"):
        PREPROCESSINGS["lite-rgb"](image)


def test_upsample_by_hand_with_and_without_aligned_corners() -> None:
    logits = torch.tensor([0.0, 3.0]).view(1, 1, 1, 2)
    assert Upsample(align_corners=True)(logits, (1, 4)).flatten().tolist() == pytest.approx([0, 1, 2, 3])
    assert Upsample(align_corners=False)(logits, (1, 4)).flatten().tolist() == pytest.approx([0, 0.75, 2.25, 3])


def test_upsample_refuses_other_modes() -> None:
    with pytest.raises(ValueError, match="upsample mode is 'nearest'; choose one of bilinear, bicubic"):
        Upsample(mode="nearest")


def test_full_size_upsamples_without_aligned_corners_for_the_small_network() -> None:
    model = build_model("small", 2)
    logits = torch.tensor([0.0, 3.0, 0.0, 3.0]).view(1, 2, 1, 2)
    assert full_size(model, logits, (1, 4))[0, 0, 0].tolist() == pytest.approx([0, 0.75, 2.25, 3])


def test_full_size_crops_or_passes_where_there_is_no_upsample() -> None:
    with torch.device("meta"):
        model = FCN8s(2, PREPROCESSINGS["caffe-bgr"])
    logits = torch.arange(24.0).view(1, 2, 3, 4)
    assert torch.equal(full_size(model, logits, (3, 4)), logits)
    assert torch.equal(full_size(model, logits, (2, 3)), logits[..., :2, :3])
    with pytest.raises(ValueError, match="logits are 3x4 and the model does not up-sample them, but 3x5 is required"):
        full_size(model, logits, (3, 5))
