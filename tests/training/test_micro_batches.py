"""Batches in pieces: the same loss and gradient as whole batches.

# N batch, C class, H/W pixels
"""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from pipeline.common.device import select_device
from pipeline.common.errors import ReadableError
from pipeline.models.base import PREPROCESSINGS, SegmentationModel
from pipeline.models.build import set_normalisation
from pipeline.training.alignment.methods import Levels, advent
from pipeline.training.batches import Batch, Labelled
from pipeline.training.loop import training_step
from pipeline.training.micro_batches import in_micro_batches, micro_batch_count
from pipeline.training.objectives import PseudoLabelObjective


class Net(SegmentationModel):
    """Normalised, with dropout, and it counts the images of its forward passes."""

    HEAD_PARTS = frozenset({"head"})

    def __init__(self, dropout: float = 0.0) -> None:
        super().__init__(3, PREPROCESSINGS["lite-rgb"], None)
        torch.manual_seed(7)
        self.body, self.norm, self.head = nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.Conv2d(4, 3, 1)
        self.dropout = nn.Dropout2d(dropout)
        self.seen: list[int] = []

    def forward_with_front(self, input_N3HW: Tensor) -> tuple[Tensor, None, tuple[Tensor, Tensor]]:
        self.seen.append(len(input_N3HW))
        feature = self.dropout(torch.relu(self.norm(self.body(input_N3HW))))
        return self.head(feature), None, (feature, feature)

    def classifiers(self) -> list[nn.Conv2d]:
        return [self.head]


def batch() -> Batch:
    """Five patches with very different numbers of valid pixels, and two source images."""
    generator = torch.Generator().manual_seed(3)

    def labelled(images: int) -> Labelled:
        image = torch.randint(0, 256, (images, 3, 32, 40), generator=generator, dtype=torch.uint8)
        label = torch.randint(0, 3, (images, 32, 40), generator=generator, dtype=torch.uint8)
        label[0, :29], label[1, :, :1] = 255, 255
        return Labelled(image, label, [str(number) for number in range(images)])

    return {"source": labelled(2), "patches": labelled(5), "target": labelled(5)}


def step(pieces: int, objective: object, normalisation: str = "frozen", dropout: float = 0.0) -> tuple[dict, Net]:
    model = Net(dropout)
    set_normalisation(model, normalisation)
    model.train()
    optimiser = torch.optim.SGD(model.parameters(), lr=0.1)
    torch.manual_seed(11)
    with in_micro_batches(model, pieces):
        losses = training_step(model, objective, batch(), optimiser, 1.0, select_device("cpu", "float32"))
    return losses, model


@pytest.mark.parametrize("pieces", [2, 3, 5, 64])
@pytest.mark.parametrize(
    "objective",
    [
        PseudoLabelObjective(0.1, 3),
        PseudoLabelObjective(0.1, 3, "mean"),
        PseudoLabelObjective(over_all_pixels=True),
        advent(Levels(0.01, 0.0), 3, torch.Generator().manual_seed(1)).generator_terms,
    ],
    ids=["focal", "focal-of-mean", "over-all-pixels", "advent"],
)
def test_pieces_change_neither_losses_nor_the_step(pieces, objective):
    whole_losses, whole = step(1, objective)
    losses, model = step(pieces, objective)
    assert max(model.seen) == -(-5 // pieces), "the most images that were in memory at once"
    for name, loss in whole_losses.items():
        torch.testing.assert_close(losses[name], loss)
    for name, value in whole.state_dict().items():
        torch.testing.assert_close(model.state_dict()[name], value, msg=name)


def test_dropout_is_drawn_once_for_both_passes():
    losses, model = step(2, PseudoLabelObjective(), dropout=0.5)
    again, same = step(2, PseudoLabelObjective(), dropout=0.5)
    assert losses == again
    assert all(torch.equal(value, same.state_dict()[name]) for name, value in model.state_dict().items())


def test_running_statistics_count_each_piece_once():
    model = Net()
    model.train()
    image = torch.rand(4, 3, 6, 8)
    by_hand = Net()
    by_hand.train()
    by_hand(image[:2])
    by_hand(image[2:])
    with in_micro_batches(model, 2):
        model(image)[0].sum().backward()
    assert model.seen == [2, 2, 2, 2], "each piece twice: forward, and again for its gradient"
    torch.testing.assert_close(model.norm.running_mean, by_hand.norm.running_mean)
    torch.testing.assert_close(model.norm.running_var, by_hand.norm.running_var)
    assert model.norm.num_batches_tracked == 2


def test_afterwards_the_model_is_itself_again():
    model = Net()
    with in_micro_batches(model, 2):
        pass
    model(torch.rand(4, 3, 6, 8))
    assert model.seen == [4]


def test_the_environment_names_the_pieces(monkeypatch):
    assert micro_batch_count() == 1
    monkeypatch.setenv("ROUNDABOUT_MICRO_BATCHES", "4")
    assert micro_batch_count() == 4
    monkeypatch.setenv("ROUNDABOUT_MICRO_BATCHES", "none")
    with pytest.raises(ReadableError, match="ROUNDABOUT_MICRO_BATCHES is 'none'; it must be a whole number from 1"):
        micro_batch_count()
