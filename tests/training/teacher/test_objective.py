"""A teacher's objective: what is labelled, what is pasted, what counts.

# N batch, C class, B bins, H/W pixels
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from pipeline.common.labels import IGNORE
from pipeline.methods.teacher import Teacher, TeacherRound
from pipeline.models.base import PREPROCESSINGS, SegmentationModel, Upsample
from pipeline.params import Augmentation
from pipeline.training.batches import Batch, Labelled
from pipeline.training.losses import cross_entropy
from pipeline.training.photometric import photometric_of
from pipeline.training.teacher.objective import Changes, TeacherObjective

CLASSES, BINS = 3, 1000


class Colour(SegmentationModel):
    """A pixel's class is its strongest channel; remembers the images of every pass."""

    HEAD_PARTS = frozenset({"head"})

    def __init__(self, sharpness: float = 0.05) -> None:
        super().__init__(CLASSES, PREPROCESSINGS["lite-rgb"], Upsample())
        self.head = nn.Conv2d(3, CLASSES, 1)
        with torch.no_grad():
            self.head.weight.copy_(sharpness * 128 * torch.eye(3)[:, :, None, None])
            self.head.bias.zero_()
        self.seen: list[Tensor] = []

    def forward_with_front(self, input_N3HW: Tensor) -> tuple[Tensor, Tensor | None, tuple[Tensor, Tensor]]:
        self.seen.append((input_N3HW * 128 + 127).round().detach())
        return self.head(input_N3HW), None, (input_N3HW, input_N3HW)

    def classifiers(self) -> list[nn.Conv2d]:
        return [self.head]


def labelled_of(seed: int, *, labels: bool, first_draw: int = 0) -> Labelled:
    generator = torch.Generator().manual_seed(seed)
    image = torch.randint(0, 256, (2, 3, 6, 8), generator=generator).to(torch.uint8)
    label = image.argmax(dim=1).to(torch.uint8) if labels else torch.zeros(2, 6, 8, dtype=torch.uint8)
    label[0, 0] = IGNORE  # of the source: nobody knows; of the target: outside of the zoomed image
    return Labelled(image, label, ["a", "b"], range(first_draw, first_draw + 2))


def batch_of(step: int = 0) -> Batch:
    return {
        "source": labelled_of(1, labels=True, first_draw=2 * step),
        "target": labelled_of(2, labels=False, first_draw=2 * step),
    }


def objective_of(teacher: SegmentationModel, changes: Changes | None = None, **section: Any) -> TeacherObjective:
    portion = section.pop("portion", 1.0)
    entry = TeacherRound(method="teacher", init="source-only", portion=portion)
    counts_CB = np.ones((CLASSES, BINS), np.int64)
    values = Teacher(compat="paper", **section)
    objective = TeacherObjective(
        values, entry, counts_CB, changes or Changes(None, None), seed=1, run="t", batch=2, steps=10
    )
    return objective.taught_by(teacher)


def terms_of(objective: TeacherObjective, model: SegmentationModel, step: int = 0) -> dict[str, Tensor]:
    return dict(objective(model, batch_of(step)))


def test_without_mixing_it_learns_the_teachers_labels_of_all_trusted_pixels() -> None:
    model, batch = Colour(), batch_of()
    terms = terms_of(objective_of(Colour(), mix="none"), model)
    assert list(terms) == ["source", "mixed", "trusted"]
    target = batch["target"]
    label_NHW = target.image_N3HW.argmax(dim=1)
    label_NHW[0, 0] = IGNORE
    logits_NCHW = model(model.preprocessing(target.image_N3HW))[0]
    valid = 88 / 96  # over all pixels, the eight ignored ones too
    torch.testing.assert_close(terms["mixed"], cross_entropy(logits_NCHW, label_NHW.byte()) * valid)
    assert float(terms["trusted"]) == pytest.approx(valid)
    assert not terms["trusted"].requires_grad


def test_pasted_pixels_are_the_sources_with_its_labels_and_count_fully() -> None:
    source, target = batch_of()["source"], batch_of()["target"]
    model = Colour()
    terms = terms_of(objective_of(Colour(), portion=0.1), model)
    shown_N3HW = model.seen[-1]
    from_source = (shown_N3HW == source.image_N3HW).all(dim=1)
    from_target = (shown_N3HW == target.image_N3HW).all(dim=1)
    assert (from_source | from_target).all() and from_source.any() and from_target.any()
    assert not from_source[source.label_NHW == IGNORE].any()
    for image in range(2):  # two of the three classes, whole
        pasted = {int(label) for label in source.label_NHW[image][from_source[image]]}
        assert len(pasted) == 2
        assert from_source[image].sum() == sum(int((source.label_NHW[image] == label).sum()) for label in pasted)
    assert float(terms["trusted"]) < 0.9 and float(terms["mixed"].detach()) > 0


def test_the_surest_pixels_of_each_class_are_trusted() -> None:
    objective = objective_of(Colour(), portion=0.3, largest_threshold=1.0, memory=0.0, flip=False)
    label_NHW, weight_NHW = objective._pseudo_labels(batch_of()["target"])
    for index in range(CLASSES):
        of_class = label_NHW == index
        share = float(weight_NHW[of_class].mean())
        assert 0.3 <= share <= 0.3 + 2 / int(of_class.sum())
    assert (weight_NHW[label_NHW == IGNORE] == 0).all() and (label_NHW[0, 0] == IGNORE).all()


def test_the_teacher_is_asked_about_the_mirror_image_too() -> None:
    teacher = Colour()
    terms_of(objective_of(teacher), Colour())
    assert len(teacher.seen) == 2 and torch.equal(teacher.seen[1], teacher.seen[0].flip(-1))
    terms_of(objective_of(alone := Colour(), flip=False), Colour())
    assert len(alone.seen) == 1


def test_the_network_sees_strong_changes_and_the_teacher_none() -> None:
    strong = photometric_of(Augmentation(photometric="strong"))
    teacher, model = Colour(), Colour()
    terms_of(objective_of(teacher, Changes(strong, strong)), model)
    assert torch.equal(teacher.seen[0], batch_of()["target"].image_N3HW.float())
    assert not torch.equal(model.seen[0], batch_of()["source"].image_N3HW.float())


def test_the_same_draws_give_the_same_losses_and_others_do_not() -> None:
    strong = Changes(*[photometric_of(Augmentation(photometric="strong"))] * 2)
    first, again, later = (
        terms_of(objective_of(Colour(), strong), Colour(), step)["mixed"].item() for step in (0, 0, 3)
    )
    assert first == again != later


def test_the_targets_weight_rises_over_the_ramp() -> None:
    full, half = (
        terms_of(objective_of(Colour(), ramp=ramp, mix="none"), Colour(), step=2)["mixed"].item() for ramp in (0.0, 0.4)
    )
    assert half == pytest.approx(full / 2)


def test_the_teacher_learns_nothing_and_is_no_part_of_the_state() -> None:
    teacher = Colour()
    objective = objective_of(teacher)
    for loss in terms_of(objective, Colour()).values():
        if loss.requires_grad:
            loss.backward()
    assert all(parameter.grad is None for parameter in teacher.parameters())
    assert list(objective.state_dict()) == ["quota.histogram_CB"]
