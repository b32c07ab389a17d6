"""Block masks: the released code's as a function of the drawn numbers, rounding of sizes, the share that is kept.

# N batch, 3 colours, H/W pixels, h/w blocks
"""

from __future__ import annotations

import pytest
import torch

from pipeline.training.forward import masked
from pipeline.training.teacher.masking import block_counts, block_mask
from tests.golden_values import TEACHER_STEP, teacher_code


@pytest.mark.parametrize("case", ["a", "b", "c", "d"])
def test_masks_of_the_drawn_numbers_are_the_authors(case: str) -> None:
    golden = teacher_code()
    kept_NHW = golden[f"mask_{case}_keep"][:, 0]
    height, width = kept_NHW.shape[-2:]
    random_Nhw = golden[f"mask_{case}_random"][:, 0]
    block, ratio = int(golden[f"mask_{case}_block"]), float(golden[f"mask_{case}_ratio"])
    assert torch.equal(block_mask(random_Nhw, (height, width), block, ratio), kept_NHW)


def test_masked_images_are_the_authors() -> None:
    golden = teacher_code()
    kept_NHW = golden["mask_b_keep"][:, 0, ::TEACHER_STEP, ::TEACHER_STEP]
    assert torch.equal(masked(golden["mask_b_image"], kept_NHW), golden["mask_b_masked_image"])


@pytest.mark.parametrize(
    ("size", "block", "counts"),
    [((64, 128), 16, (4, 8)), ((40, 72), 16, (2, 4)), ((56, 60), 16, (4, 4)), ((4, 100), 16, (1, 6))],
)
def test_numbers_of_blocks_are_rounded_halves_to_even_and_never_0(
    size: tuple[int, int], block: int, counts: tuple[int, int]
) -> None:
    assert block_counts(size, block) == counts


def test_a_block_is_kept_where_its_number_is_greater_than_the_ratio() -> None:
    random_Nhw = torch.tensor([[[0.5, 0.51]]])
    assert block_mask(random_Nhw, (2, 4), 2, 0.5)[0].tolist() == [[False, False, True, True]] * 2


def test_the_share_that_is_kept_is_what_the_ratio_leaves() -> None:
    random_Nhw = torch.rand((1, 500, 512), generator=torch.Generator().manual_seed(0))
    kept = float(block_mask(random_Nhw, (500, 512), 1, 0.7).float().mean())
    assert kept == pytest.approx(float(teacher_code()["mask_share_kept_of_256000_blocks"]), abs=5e-3)


def test_numbers_of_another_shape_are_refused() -> None:
    with pytest.raises(ValueError, match=r"random numbers of shape \(2, 4, 4\) for \(4, 8\) blocks"):
        block_mask(torch.rand(2, 4, 4), (64, 128), 16, 0.7)
