"""The teacher of the released code: the same state dicts after each update, the same shares.

# N batch, D feature channels, H/W pixels
"""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from pipeline.models.base import PREPROCESSINGS, SegmentationModel, Upsample
from pipeline.models.build import set_normalisation
from pipeline.training.ema import Ema
from pipeline.training.teacher.released_ema import ReleasedEma
from tests.golden_values import teacher_code
from tests.training.teacher.vectors import filled, vector_of


class Scaled(SegmentationModel):
    """The authors' tiny network, and dropout."""

    HEAD_PARTS = frozenset({"conv"})

    def __init__(self) -> None:
        super().__init__(3, PREPROCESSINGS["lite-rgb"], Upsample())
        self.scale = nn.Parameter(torch.zeros(()))
        self.conv, self.bn, self.dropout = nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3), nn.Dropout(0.5)

    def forward_with_front(self, input_N3HW: Tensor) -> tuple[Tensor, Tensor | None, tuple[Tensor, Tensor]]:
        feature_NDhw = self.bn(self.conv(input_N3HW[:, :2]))
        return self.dropout(feature_NDhw) * self.scale, None, (feature_NDhw, feature_NDhw)

    def classifiers(self) -> list[nn.Conv2d]:
        return [self.conv]


def network(name: str) -> Scaled:
    return filled(Scaled(), teacher_code()[f"ema_{name}"])


def test_the_teacher_after_each_update_is_the_authors() -> None:
    golden = teacher_code()
    ema = ReleasedEma(network("student_0"), float(golden["ema_alpha"]))
    for own, buffer in zip(ema.model.buffers(), network("teacher_before").buffers(), strict=True):
        own.copy_(buffer)
    torch.testing.assert_close(vector_of(ema.model), golden["ema_teacher_0"], rtol=0, atol=0)
    for iteration in range(1, 6):
        ema.update(network(f"student_{iteration}"), iteration - 1)
        torch.testing.assert_close(vector_of(ema.model), golden[f"ema_teacher_{iteration}"], rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("decay", ["0.99", "0.999"])
def test_the_share_of_the_old_average_is_the_authors(decay: str) -> None:
    golden = teacher_code()
    iterations = golden["ema_iterations"].tolist()
    assert len(iterations) == 14
    for iteration, alpha in zip(iterations, golden[f"ema_alpha_at_{decay}"].tolist(), strict=True):
        student = network("student_0")
        with torch.no_grad():
            student.scale.fill_(1.0)
        for ema, step in ((ReleasedEma(student, float(decay)), iteration - 1), (Ema(student, float(decay)), iteration)):
            with torch.no_grad():
                ema.model.scale.fill_(0.0)
            ema.update(student, step)
            assert 1 - float(ema.model.scale) == pytest.approx(alpha, abs=1e-6)


def test_it_normalises_by_its_batch_and_drops_nothing_out() -> None:
    student = network("student_0")
    teacher = ReleasedEma(student, 0.9).model
    input_N3HW = torch.randn((2, 3, 5, 5), generator=torch.Generator().manual_seed(0))
    logits_NCHW = teacher(input_N3HW)[0] / teacher.scale
    by_hand = nn.functional.batch_norm(
        student.conv(input_N3HW[:, :2]), None, None, student.bn.weight, student.bn.bias, True
    )
    torch.testing.assert_close(logits_NCHW, by_hand)
    assert int(teacher.bn.num_batches_tracked) == int(student.bn.num_batches_tracked) + 1
    assert not any(parameter.requires_grad for parameter in teacher.parameters())


def test_frozen_normalisation_stays_frozen() -> None:
    student = network("student_0")
    set_normalisation(student, "frozen")
    assert not ReleasedEma(student, 0.9).model.bn.training


def test_the_network_in_training_is_the_result() -> None:
    assert Ema.is_result and not ReleasedEma.is_result
