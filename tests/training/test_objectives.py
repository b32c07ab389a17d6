"""Objectives: which terms, of which images, with which weights.

# N batch, C class, H/W pixels
"""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from pipeline.common.labels import IGNORE
from pipeline.models.base import PREPROCESSINGS, SegmentationModel, Upsample
from pipeline.training.batches import Batch, Labelled
from pipeline.training.losses import cross_entropy, cross_entropy_per_pixel, focal_loss, focal_of_mean
from pipeline.training.objectives import PseudoLabelObjective, supervised


class Half(SegmentationModel):
    """A stride-2 convolution per head, up-sampled; counts what it is asked."""

    HEAD_PARTS = frozenset({"main", "auxiliary"})

    def __init__(self, heads: int = 1) -> None:
        super().__init__(3, PREPROCESSINGS["lite-rgb"], Upsample())
        torch.manual_seed(0)
        self.main = nn.Conv2d(3, 3, 2, stride=2)
        self.auxiliary = nn.Conv2d(3, 3, 2, stride=2) if heads == 2 else None
        self.asked = 0

    def forward_with_front(self, input_N3HW: Tensor) -> tuple[Tensor, Tensor | None, tuple[Tensor, Tensor]]:
        self.asked += 1
        auxiliary_NCHW = None if self.auxiliary is None else self.auxiliary(input_N3HW)
        return self.main(input_N3HW), auxiliary_NCHW, (input_N3HW, input_N3HW)

    def classifiers(self) -> list[nn.Conv2d]:
        return [self.main]

    def full(self, labelled: Labelled, head: nn.Module) -> Tensor:
        assert self.upsample is not None
        return self.upsample(head(self.preprocessing(labelled.image_N3HW)), tuple(labelled.label_NHW.shape[-2:]))


def labelled_of(seed: int, height: int = 4, width: int = 8) -> Labelled:
    generator = torch.Generator().manual_seed(seed)
    image = torch.randint(0, 256, (2, 3, height, width), generator=generator).to(torch.uint8)
    label = torch.randint(0, 3, (2, height, width), generator=generator).to(torch.uint8)
    label[0, 0] = IGNORE
    return Labelled(image, label, ["a", "b"])


BATCH: Batch = {"source": labelled_of(0), "patches": labelled_of(1, 8, 8)}


def test_supervision_is_cross_entropy_at_full_size() -> None:
    model = Half()
    terms = dict(supervised(model, BATCH))
    assert list(terms) == ["source"]
    source = BATCH["source"]
    torch.testing.assert_close(terms["source"], cross_entropy(model.full(source, model.main), source.label_NHW))


def test_labelled_images_weigh_their_classes_and_patches_do_not() -> None:
    model, weight_C = Half(), torch.tensor([1.0, 8.0, 1.0])
    batch: Batch = {**BATCH, "source": BATCH["source"]._replace(class_weight_C=weight_C)}
    weighted, plain = (dict(PseudoLabelObjective()(model, each)) for each in (batch, BATCH))
    source = BATCH["source"]
    torch.testing.assert_close(
        weighted["source"], cross_entropy(model.full(source, model.main), source.label_NHW, weight_C)
    )
    assert not torch.isclose(weighted["source"], plain["source"])
    assert torch.equal(weighted["patches"], plain["patches"])


def test_a_second_head_adds_a_tenth_of_its_loss() -> None:
    model = Half(heads=2)
    assert model.auxiliary is not None
    source = BATCH["source"]
    main, auxiliary = (
        cross_entropy(model.full(source, head), source.label_NHW) for head in (model.main, model.auxiliary)
    )
    torch.testing.assert_close(dict(supervised(model, BATCH))["source"], main + 0.1 * auxiliary)


@pytest.mark.parametrize("focal_of", ["pixel", "mean"])
def test_lse_adds_beta_times_the_focal_loss_on_patches(focal_of: str) -> None:
    model, patches = Half(), BATCH["patches"]
    terms = dict(PseudoLabelObjective(0.1, 3.0, focal_of)(model, BATCH))
    assert list(terms) == ["source", "patches"]
    logits_NCHW = model.full(patches, model.main)
    plain = cross_entropy(logits_NCHW, patches.label_NHW)
    per_pixel = focal_loss(*cross_entropy_per_pixel(logits_NCHW, patches.label_NHW), 3.0)
    focal = per_pixel if focal_of == "pixel" else focal_of_mean(plain, 3.0)
    torch.testing.assert_close(terms["patches"], plain + 0.1 * focal)
    torch.testing.assert_close(terms["source"], dict(supervised(model, BATCH))["source"])


@pytest.mark.parametrize("over_all_pixels", [False, True])
def test_a_second_head_learns_pseudo_labels_too(over_all_pixels: bool) -> None:
    patches = BATCH["patches"]

    def loss_of(heads: int) -> tuple[Half, Tensor]:
        model = Half(heads)
        return model, dict(PseudoLabelObjective(over_all_pixels=over_all_pixels)(model, BATCH))["patches"]

    model, both = loss_of(2)
    assert model.auxiliary is not None
    share = (patches.label_NHW != IGNORE).float().mean() if over_all_pixels else 1.0
    auxiliary = cross_entropy(model.full(patches, model.auxiliary), patches.label_NHW) * share
    torch.testing.assert_close(both, loss_of(1)[1] + 0.1 * auxiliary)
    both.backward()
    assert model.auxiliary.weight.grad is not None and bool(model.auxiliary.weight.grad.any())


def test_beta_0_switches_the_focal_loss_off() -> None:
    model, patches = Half(), BATCH["patches"]
    loss = dict(PseudoLabelObjective(0.0, 3.0, "pixel")(model, BATCH))["patches"]
    torch.testing.assert_close(loss, cross_entropy(model.full(patches, model.main), patches.label_NHW))


def test_without_source_images_there_is_one_term() -> None:
    terms = PseudoLabelObjective(0.1, 3.0, "pixel")(Half(), {"patches": BATCH["patches"]})
    assert [name for name, _ in terms] == ["patches"]


def test_a_term_is_computed_only_when_it_is_asked_for() -> None:
    model = Half()
    terms = PseudoLabelObjective(0.1, 3.0, "pixel")(model, BATCH)
    next(terms)
    assert model.asked == 1  # so the first term's activations are freed before the second's are made
    next(terms)
    assert model.asked == 2


def test_over_all_pixels_the_ignored_ones_count_in_the_denominator() -> None:
    model, patches = Half(), BATCH["patches"]
    kept = dict(PseudoLabelObjective()(model, BATCH))["patches"]
    over_all = dict(PseudoLabelObjective(over_all_pixels=True)(model, BATCH))["patches"]
    share = (patches.label_NHW != IGNORE).float().mean()
    assert 0 < share < 1
    torch.testing.assert_close(over_all, kept * share)


@pytest.mark.parametrize("over_all_pixels", [False, True])
def test_patches_that_are_ignored_everywhere_give_0_and_no_nan(over_all_pixels: bool) -> None:
    model, patches = Half(), BATCH["patches"]
    ignored = patches._replace(label_NHW=torch.full_like(patches.label_NHW, IGNORE))
    loss = dict(PseudoLabelObjective(0.1, 3.0, over_all_pixels=over_all_pixels)(model, {"patches": ignored}))["patches"]
    loss.backward()
    assert float(loss.detach()) == 0
    assert all(bool(parameter.grad.isfinite().all()) for parameter in model.main.parameters())
