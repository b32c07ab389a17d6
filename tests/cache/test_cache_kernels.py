"""The compiled loops against torch: the same bits.

# C class, H/W pixels, h/w network resolution
"""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional

from pipeline.cache.arithmetic import exponential, logarithm
from pipeline.cache.kernels import measure_logits, window_of
from pipeline.cache.reconstruct import reconstruct, reconstruct_on_device, source_of
from pipeline.cache.schema import View
from pipeline.common.box import Box


def random_logits(classes: int, low: tuple[int, int]) -> np.ndarray:
    return (6 * torch.randn((classes, *low), generator=torch.Generator().manual_seed(0))).numpy()


def by_torch(low_Chw: np.ndarray, size: tuple[int, int], align_corners: bool) -> torch.Tensor:
    logits_1CHW = functional.interpolate(
        torch.from_numpy(low_Chw)[None], size, mode="bilinear", align_corners=align_corners
    )
    return torch.softmax(logits_1CHW, dim=1)[0]


def whole(low_Chw: np.ndarray, size: tuple[int, int], align_corners: bool) -> np.ndarray:
    prob_CHW = np.empty((len(low_Chw), *size), np.float32)
    source = source_of((low_Chw.shape[1], low_Chw.shape[2]), size, align_corners, Box(0, 0, *size), False)
    measure_logits(window_of(low_Chw, source.rows, source.columns), prob_CHW=prob_CHW)
    return prob_CHW


@pytest.mark.parametrize("align_corners", [True, False])
@pytest.mark.parametrize(
    ("classes", "low", "size"),
    [(19, (65, 129), (512, 1024)), (16, (9, 17), (64, 128)), (2, (1, 1), (80, 64)), (19, (64, 128), (64, 128)),
     (13, (40, 60), (112, 48)), (7, (5, 60), (121, 128)), (19, (23, 31), (96, 224))],
)  # fmt: skip
def test_probabilities_have_the_bits_of_torch(
    classes: int, low: tuple[int, int], size: tuple[int, int], align_corners: bool
) -> None:
    low_Chw = random_logits(classes, low)
    np.testing.assert_array_equal(whole(low_Chw, size, align_corners), by_torch(low_Chw, size, align_corners).numpy())


def test_extreme_logits_have_the_bits_of_torch() -> None:
    low_Chw = random_logits(5, (8, 16)) * np.float32(30)
    low_Chw[:, 0] = 0
    low_Chw[0, 1], low_Chw[1, 1] = 1e4, -1e4
    prob_CHW = whole(low_Chw, (64, 128), True)
    np.testing.assert_array_equal(prob_CHW, by_torch(low_Chw, (64, 128), True).numpy())
    assert (prob_CHW == 1).any()
    assert (prob_CHW == 0).any()
    assert ((prob_CHW > 0) & (prob_CHW < np.finfo(np.float32).tiny)).any(), "denormal probabilities are among them"


def test_at_a_size_that_does_not_fill_vectors_only_rounding_differs() -> None:
    low_Chw = random_logits(19, (5, 9))
    np.testing.assert_allclose(
        whole(low_Chw, (33, 65), True), by_torch(low_Chw, (33, 65), True).numpy(), rtol=1e-5, atol=1e-12
    )


@pytest.mark.parametrize("box", [Box(0, 0, 64, 128), Box(3, 5, 7, 9), Box(63, 127, 1, 1), Box(42, 0, 22, 128)])
@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize("align_corners", [True, False])
def test_a_window_is_the_window_of_the_whole_on_cpu_and_device(box: Box, flip: bool, align_corners: bool) -> None:
    low_Chw, size = random_logits(4, (5, 9)), (64, 128)
    source = source_of((5, 9), size, align_corners, box, flip)
    needed = low_Chw[:, slice(*source.row_range), slice(*source.column_range)]
    views = [(View(1.0, flip), needed, source)]
    prob_CHW = np.empty((4, box.height, box.width), np.float32)
    reconstruct(views, prob_CHW=prob_CHW)
    volume_CHW = by_torch(low_Chw, size, align_corners)
    expected_CHW = box.of(volume_CHW.flip(-1) if flip else volume_CHW)
    np.testing.assert_array_equal(prob_CHW, expected_CHW.numpy())
    torch.testing.assert_close(reconstruct_on_device(views, torch.device("cpu")), expected_CHW)


def test_a_window_reads_only_the_logits_that_it_needs() -> None:
    source = source_of((65, 129), (512, 1024), True, Box(128, 256, 256, 512), False)
    assert source.row_range == (16, 49)
    assert source.column_range == (32, 97)


def test_the_exponential_and_the_logarithm_are_accurate() -> None:
    values = np.concatenate([-np.logspace(-8, 2, 2000), [0.0, -103.9, -104.0, -200.0]]).astype(np.float32)
    computed = np.array([exponential(value) for value in values])
    np.testing.assert_allclose(computed, np.exp(values.astype(np.float64)), rtol=1.3e-7, atol=1.5e-45)
    arguments = np.logspace(-37, 0, 3000).astype(np.float32)
    computed = np.array([logarithm(value) for value in arguments])
    np.testing.assert_allclose(computed, np.log(arguments.astype(np.float64)), rtol=1.5e-7, atol=1e-7)
