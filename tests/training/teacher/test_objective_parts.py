"""What a teacher's objective has on request: shares, margins, masks, feature distance, MRKLD.

# N batch, D feature channels, H/W pixels
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from pipeline.common.labels import IGNORE
from pipeline.methods.teacher import FeatureDistance, Mask, TeacherRound
from pipeline.params import ParamsError, read_params
from pipeline.training.losses import model_regulariser
from pipeline.training.teacher.objective import Reference, TeacherObjective
from tests.training.teacher.test_objective import Colour, batch_of, objective_of, terms_of


def with_mask(**mask: Any) -> TeacherObjective:
    objective = objective_of(Colour(), mix="none")
    objective.entry = TeacherRound(method="teacher", init="source-only", portion=1.0, mask=Mask(block=2, **mask))
    return objective


def hidden(model: Colour) -> list[Tensor]:
    """Of each pass, where the network saw the mean colour (N,H,W)."""
    return [(seen_N3HW == 127).all(dim=1) for seen_N3HW in model.seen]


def weights(**section: Any) -> Tensor:
    return objective_of(Colour(), flip=False, **section)._pseudo_labels(batch_of()["target"])[1]


def test_a_share_weighs_all_pixels_of_an_image_alike() -> None:
    teacher, target = Colour(), batch_of()["target"]
    confidence_NHW = teacher(teacher.preprocessing(target.image_N3HW))[0].detach().softmax(dim=1).amax(dim=1)
    middle = float(confidence_NHW.median())
    share_N = (confidence_NHW >= middle).float().mean(dim=(1, 2))
    weight_NHW = weights(thresholds="share", confidence=middle)
    assert (weight_NHW[0, 0] == 0).all()  # outside of the image
    assert weight_NHW[0, 1:].unique().tolist() == pytest.approx([float(share_N[0])])
    assert weight_NHW[1].unique().tolist() == pytest.approx([float(share_N[1])])
    assert share_N[0] != share_N[1]


def test_both_is_the_share_times_the_quota() -> None:
    options: dict[str, Any] = {"portion": 0.3, "largest_threshold": 1.0, "memory": 0.0, "confidence": 0.8}
    both, share, quota = (weights(thresholds=name, **options) for name in ("both", "share", "quota"))
    assert torch.equal(both, share * quota)
    assert 0 < int((both > 0).sum()) < int((share > 0).sum())


def test_rows_within_the_margins_do_not_count_and_do_not_enter_the_quotas() -> None:
    objective = objective_of(Colour(), flip=False, margins=(1 / 6, 2 / 6), memory=0.0)
    label_NHW, weight_NHW = objective._pseudo_labels(batch_of()["target"])
    assert (weight_NHW[:, [0, 4, 5]] == 0).all()
    assert (weight_NHW[:, 1:4] == 1).all()
    counts_C = torch.bincount(label_NHW[:, 1:4].flatten().long(), minlength=3).double()
    torch.testing.assert_close(objective.quota.histogram_CB.sum(dim=1), counts_C / counts_C.sum())


def test_of_mixed_images_every_second_is_masked() -> None:
    model = Colour()
    terms = terms_of(with_mask(ratio=0.5), model)
    source, mixed = hidden(model)
    assert not source.any() and not mixed[0].any()
    assert 0 < mixed[1].float().mean() < 1
    blocks = mixed[1].view(3, 2, 4, 2)
    assert torch.equal(blocks, blocks[:, :1, :, :1].expand_as(blocks))
    assert "masked" not in terms


def test_a_masked_target_adds_a_loss_with_the_labels_of_the_whole_image() -> None:
    model = Colour()
    terms = terms_of(with_mask(of="target", ratio=1e-9), model)
    assert list(terms) == ["source", "mixed", "masked", "trusted"]
    assert terms["masked"].item() == pytest.approx(terms["mixed"].item())  # nothing is mixed, nothing hidden
    all_hidden = terms_of(with_mask(of="target", ratio=1.0, weight=0.5), model := Colour())
    assert hidden(model)[2].all() and not hidden(model)[1].any()
    assert all_hidden["masked"].item() == pytest.approx(0.5 * torch.log(torch.tensor(3.0)).item() * 88 / 96)


def test_masks_of_a_draw_are_the_same_and_of_others_are_not() -> None:
    first, again, later = Colour(), Colour(), Colour()
    for model, step in ((first, 0), (again, 0), (later, 1)):
        terms_of(with_mask(of="target", ratio=0.5), model, step)
    assert torch.equal(hidden(first)[2], hidden(again)[2])
    assert not torch.equal(hidden(first)[2], hidden(later)[2])


def test_the_regulariser_is_of_the_trusted_pixels_that_are_the_targets() -> None:
    plain, regularised = (
        terms_of(objective_of(Colour(), mix="none", regulariser=weight), Colour())["mixed"].item()
        for weight in (0.0, 0.1)
    )
    model, target = Colour(), batch_of()["target"]
    logits_NCHW = model(model.preprocessing(target.image_N3HW))[0]
    assert regularised - plain == pytest.approx(0.1 * model_regulariser(logits_NCHW, target.label_NHW).item(), rel=1e-4)
    assert (target.label_NHW == IGNORE).any()


def test_the_feature_distance_joins_the_loss_on_the_source() -> None:
    options = {"feature_distance": FeatureDistance(weight=0.5, least_share=0.5)}
    objective, other = objective_of(Colour(), **options), Colour()
    objective._reference = [Reference(other, [0, 1])]
    terms = terms_of(objective, Colour())
    assert terms["feature_distance"].item() == 0  # its features are the images themselves
    other.forward_with_front = lambda input_N3HW: (input_N3HW, None, (input_N3HW, input_N3HW + 1))  # type: ignore[method-assign]
    apart = terms_of(objective, Colour())
    assert apart["feature_distance"].item() == pytest.approx(3**0.5)
    assert apart["source"].item() - terms["source"].item() == pytest.approx(0.5 * 3**0.5, rel=1e-5)
    assert not apart["feature_distance"].requires_grad


def test_a_feature_distance_without_its_classes_or_imagenets_weights_is_refused(
    tiny_params: dict[str, Any], write_params: Callable[[dict[str, Any]], Path]
) -> None:
    tiny_params["classes"] = {"two": ["road", "sky"]}
    tiny_params["adapt"] |= {"source_batch": 2}
    tiny_params["teacher"] = {"compat": "author", "feature_distance": {}}
    tiny_params["rounds"] = {"t": {"method": "teacher", "init": "source-only"}}
    with pytest.raises(ParamsError) as error:
        read_params(write_params(tiny_params))
    assert "class here; choose some of road, sky" in str(error.value)
    assert "set model.pretrained to true" in str(error.value)
