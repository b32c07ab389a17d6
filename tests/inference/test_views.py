"""A network over images: views are scaled, mirrored, turned back and averaged.

# N batch, C class, H/W pixels
"""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from pipeline.cache.schema import View
from pipeline.common.device import select_device
from pipeline.inference.views import enlarge_to, mean_probabilities, scaled_size, view_logits, views_of
from pipeline.models.base import PREPROCESSINGS, SegmentationModel, Upsample

CPU = select_device("cpu", "float32")


class Colours(SegmentationModel):
    """The red, green and blue of every second pixel are the logits of three classes."""

    HEAD_PARTS = frozenset[str]()

    def __init__(self, upsample: Upsample | None = Upsample()) -> None:  # noqa: B008 - immutable
        super().__init__(3, PREPROCESSINGS["lite-rgb"], upsample)

    def forward_with_front(self, input_N3HW: Tensor) -> tuple[Tensor, None, tuple[Tensor, Tensor]]:
        return input_N3HW[..., ::2, ::2] if self.upsample else input_N3HW, None, (input_N3HW, input_N3HW)

    def classifiers(self) -> list[nn.Conv2d]:
        return []


def images(count: int = 2) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (count, 3, 8, 12), generator=generator, dtype=torch.uint8)


def test_a_mirrored_view_follows_the_view_of_its_scale() -> None:
    assert views_of((0.5, 1.0), False) == (View(0.5), View(1.0))
    assert views_of((0.5, 1.0), True) == (View(0.5), View(0.5, True), View(1.0), View(1.0, True))


def test_a_view_has_at_least_one_pixel() -> None:
    assert scaled_size((8, 13), View(0.5)) == (4, 6)
    assert scaled_size((1, 100), View(0.25)) == (1, 25)


def test_each_view_has_logits_at_the_network_s_own_resolution() -> None:
    input_N3HW = (images().float() - 127) / 128
    plain, mirrored, small = view_logits(Colours(), images(), (View(), View(1.0, True), View(0.5)), CPU)
    assert torch.equal(plain, input_N3HW[..., ::2, ::2])
    assert torch.equal(mirrored, input_N3HW.flip(-1)[..., ::2, ::2])
    expected = functional.interpolate(input_N3HW, (4, 6), mode="bilinear", antialias=True)[..., ::2, ::2]
    assert torch.equal(small, expected)


@pytest.mark.parametrize("upsample", [Upsample(), Upsample(align_corners=True), None])
def test_probabilities_are_averaged_after_softmax_and_turned_back(upsample: Upsample | None) -> None:
    model, views, size = Colours(upsample), (View(0.5), View(1.0), View(1.0, True)), (16, 20)
    logits = view_logits(model, images(), views, CPU)
    aligned = upsample is not None and upsample.align_corners
    each = [
        functional.interpolate(view, size, mode="bilinear", align_corners=aligned).softmax(dim=1) for view in logits
    ]
    prob_NCHW = mean_probabilities(logits, views, enlarge_to(model, size))
    torch.testing.assert_close(prob_NCHW, (each[0] + each[1] + each[2].flip(-1)) / 3)
    torch.testing.assert_close(prob_NCHW.sum(dim=1), torch.ones(2, *size))


def test_a_mirrored_view_of_a_network_that_mirrors_with_its_input_changes_nothing() -> None:
    model = Colours(None)
    logits = view_logits(model, images(), views_of((1.0,), True), CPU)
    alone = mean_probabilities(logits[:1], (View(),), enlarge_to(model, (8, 12)))
    torch.testing.assert_close(mean_probabilities(logits, views_of((1.0,), True), enlarge_to(model, (8, 12))), alone)


def test_logits_of_a_bfloat16_forward_pass_are_enlarged_in_float32() -> None:
    class Convolution(Colours):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Conv2d(3, 3, 2, stride=2)

        def forward_with_front(self, input_N3HW: Tensor) -> tuple[Tensor, None, tuple[Tensor, Tensor]]:
            return self.layer(input_N3HW), None, (input_N3HW, input_N3HW)

    model = Convolution()
    with torch.inference_mode():
        (logits,) = view_logits(model, images(), (View(),), select_device("cpu", "bfloat16"))
        assert logits.dtype == torch.bfloat16
        prob_NCHW = mean_probabilities([logits], (View(),), enlarge_to(model, (8, 12)))
    assert torch.equal(prob_NCHW, functional.interpolate(logits.float(), (8, 12), mode="bilinear").softmax(dim=1))
