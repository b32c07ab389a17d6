"""Planted collapses and an honest improvement, through the public functions; every formula by hand."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest
import torch

from pipeline.health.agreement import agreement, balanced_agreement
from pipeline.health.finding import Finding
from pipeline.health.observe import Observation, evenly_spaced
from pipeline.health.record import Reference
from pipeline.health.run import judged_by_criteria
from pipeline.health.share_drift import divergence, predicted_shares, share_drift
from pipeline.health.source_iou import mean_over_true, source_iou
from pipeline.health.uncertainty import UncertaintySums, entropy, neighbourhood_density
from pipeline.health.verdict import Judgement, judge
from pipeline.health.view_consistency import consistency_of_views, view_consistency
from pipeline.params import Health

NAMES = ("road", "building", "vegetation", "sky", "sign")
SHARES = (0.4, 0.25, 0.15, 0.15, 0.05)
ROAD, BUILDING, VEGETATION, SKY, SIGN = range(5)
IMAGES, PIXELS = 8, (40, 50)
TRUTH = [
    np.random.default_rng(image).choice(5, PIXELS, p=SHARES) for image in range(IMAGES)
]  # no labels of the verdict: it makes the networks


def softmax_of(label_HW: np.ndarray, confidence: float) -> torch.Tensor:
    """Probabilities (C,H,W) of a network that is equally certain of each pixel."""
    one_hot_CHW = np.eye(5)[label_HW].transpose(2, 0, 1)
    return torch.from_numpy((confidence - (1 - confidence) / 4) * one_hot_CHW + (1 - confidence) / 4).float()


def network(errors: float, seed: int, confidence: float = 0.9, **lost: int) -> list[torch.Tensor]:
    """What a network answers to each image: the truth but for a share of errors, and lost classes given to others."""
    answers = []
    for image, truth_HW in enumerate(TRUTH):
        draw = np.random.default_rng([seed, image])
        label_HW = np.where(draw.random(PIXELS) < errors, draw.choice(5, PIXELS, p=SHARES), truth_HW)
        for name, other in lost.items():
            label_HW = np.where(label_HW == NAMES.index(name), other, label_HW)
        answers.append(softmax_of(label_HW, confidence))
    return answers


def looked_at(**answers: list[torch.Tensor]) -> Observation:
    seen = Observation(list(answers), 5)
    for image in range(IMAGES):
        seen.add({name: own[image] for name, own in answers.items()}, 100, image)
    return seen


def findings(seen: Observation, *, iou: float = 0.6, views: float = 0.8) -> dict[str, Finding]:
    share_C = predicted_shares(seen.votes["start"].sum(axis=0))
    reference = Reference("start", dict(zip(NAMES, share_C.tolist(), strict=True)), 0.6, 0.8, {})
    return judged_by_criteria(seen, iou, views, reference, Health(), NAMES)


START, ROUND = network(0.2, 1), network(0.15, 2)
ALL_LOST = dict.fromkeys(NAMES, BUILDING)
COLLAPSES = {
    "sky lost to building": (network(0.1, 3, 0.95, sky=BUILDING), "sky has 0.0 % of the pixels where start saw 14.9"),
    "all building": (network(0.1, 3, 0.99, **ALL_LOST), r"\w+ has 0.0 % of the pixels where start saw"),
    "a class gone": (network(0.1, 3, sign=ROAD), "sign has 0.0 % of the pixels where start saw"),
    "a class all but gone": (
        [torch.where(torch.rand(PIXELS, generator=torch.Generator().manual_seed(1)) < 0.9, gone, kept)
         for gone, kept in zip(network(0.1, 3, sky=BUILDING), network(0.1, 3), strict=True)],
        "sky has 1.5 % of the pixels where start saw",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", COLLAPSES)
@pytest.mark.parametrize("rounds", [1, 2])
def test_a_planted_collapse_fails(name: str, rounds: int) -> None:
    collapsed, reason = COLLAPSES[name]
    before = {"start": START} if rounds == 1 else {"start": START, "first": ROUND}
    found = judge(findings(looked_at(**before, last=collapsed)), "start")
    assert found.verdict == "fails"
    assert re.match(reason, found.reason), found.reason


def test_an_honest_improvement_holds() -> None:
    improved = network(0.05, 3)
    expected = Judgement("holds", "shares, source IoU and views agree with start's")
    assert judge(findings(looked_at(start=START, last=improved), iou=0.62), "start") == expected
    of_three = findings(looked_at(start=START, first=ROUND, last=improved), iou=0.58, views=0.76)
    assert judge(of_three, "start") == expected
    assert {finding.verdict for finding in of_three.values()} == {"holds"}


def test_a_lost_class_shows_in_the_agreement_of_three_networks_and_two_decide_nothing() -> None:
    lost = network(0.1, 3, sky=BUILDING)
    found = findings(looked_at(start=START, first=ROUND, last=lost))["agreement"]
    assert found.verdict == "fails"
    assert found.value is not None and found.threshold is not None and found.value < 0.8 < found.threshold
    assert found.reason.startswith("agrees with the ensemble on 7") and "% of each class, start on 8" in found.reason
    of_two = findings(looked_at(start=START, last=lost))["agreement"]
    assert of_two.verdict is None and "an ensemble of 2 decides nothing (3 do)" in of_two.reason


def test_what_the_literature_s_criteria_say_of_the_same() -> None:
    """Why they never decide: entropy and SND prefer the collapse."""
    seen = looked_at(
        right=network(0, 1, 0.9), lost=network(0, 1, 0.95, sky=BUILDING), all=network(0, 1, 0.99, **ALL_LOST)
    )
    right, lost, collapsed = (seen.uncertainty[name].values() for name in ("right", "lost", "all"))
    assert right["entropy"] > lost["entropy"] > collapsed["entropy"]
    assert right["snd"] < lost["snd"] < collapsed["snd"] == pytest.approx(math.log(100))
    assert right["infomax"] - lost["infomax"] < 0.3 and collapsed["infomax"] == pytest.approx(0, abs=1e-9)
    assert abs(right["nuclear_norm"] - lost["nuclear_norm"]) < 0.1 and collapsed["nuclear_norm"] < 0.5


# ------------------------------------------------------------------------------------------------------------- shares


def drift(share: list[float], reference: list[float], **limits: float) -> Finding:
    chosen = {"falls": 0.3, "grows": 3.0, "smallest": 0.005, "most": 0.2} | limits
    return share_drift(np.array(share), np.array(reference), ("a", "b", "c"), than="start", **chosen)


def test_shares_and_their_divergence_by_hand() -> None:
    np.testing.assert_allclose(predicted_shares(np.array([3, 1, 0])), [0.75, 0.25, 0])
    assert predicted_shares(np.zeros(3, np.int64)).tolist() == [0, 0, 0]
    assert divergence(np.array([0.5, 0.5]), np.array([0.25, 0.75])) == pytest.approx(0.5 * math.log(2 / 1.5))
    assert divergence(np.array([0.0, 1.0]), np.array([0.5, 0.5])) == pytest.approx(math.log(2))
    assert divergence(np.array([0.1, 0.9]), np.array([0.0, 1.0])) == pytest.approx(
        0.1 * math.log(1000) + 0.9 * math.log(0.9)
    )


@pytest.mark.parametrize(
    ("share", "reference", "verdict", "reason"),
    [
        ([0.3, 0.7, 0], [0.3, 0.7, 0], "holds", "each class has 0.3 to 3 times the share that start saw"),
        ([0.002, 0.5, 0.498], [0.051, 0.5, 0.449], "fails",
         "a has 0.2 % of the pixels where start saw 5.1 %: less than 0.3 times"),
        ([0.1, 0.5, 0.4], [0.03, 0.55, 0.42], "fails",
         "a has 10.0 % of the pixels where start saw 3.0 %: more than 3 times"),
        ([0.0, 0.5, 0.5], [0.005, 0.5, 0.495], "holds", "each class has 0.3 to 3 times the share that start saw"),
        ([0.015, 0.5, 0.485], [0.05, 0.5, 0.45], "holds", "each class has 0.3 to 3 times the share that start saw"),
        ([0.8, 0.1, 0.1], [0.3, 0.33, 0.33], "fails", "the classes' shares are 0.55 nats from start's: more than 0.2"),
    ],
)  # fmt: skip
def test_the_limits_of_shares(share: list[float], reference: list[float], verdict: str, reason: str) -> None:
    found = drift(share, reference)
    assert (found.verdict, found.reason) == (verdict, reason)
    assert found.value == pytest.approx(divergence(np.array(share), np.array(reference)))


def test_of_several_classes_the_worst_is_named() -> None:
    assert drift([0.01, 0.9, 0.09], [0.1, 0.1, 0.8]).reason.startswith("a has 1.0 %")  # 10 times beyond, c 9, b 9
    assert drift([0.0, 0.0, 1.0], [0.1, 0.3, 0.6]).reason.startswith("a has 0.0 %")
    assert drift([0.01, 0.9, 0.09], [0.1, 0.1, 0.8]).details["ratios"] == pytest.approx(
        {"a": 0.1, "b": 9, "c": 0.09 / 0.8}
    )


# -------------------------------------------------------------------------------------------- source, ensemble, views


def test_the_source_iou_is_over_true_classes_and_may_fall_by_three_points() -> None:
    confusion_CC = np.array([[6, 2, 2], [0, 10, 0], [0, 0, 0]])  # the third class is nowhere true
    assert mean_over_true(confusion_CC) == pytest.approx((6 / 10 + 10 / 12) / 2)
    assert mean_over_true(np.zeros((3, 3), np.int64)) is None
    assert source_iou(0.571, 0.6, than="start", drop=0.03).verdict == "holds"
    fallen = source_iou(0.569, 0.6, than="start", drop=0.03)
    assert fallen.verdict == "fails"
    assert fallen.reason == "IoU is 56.9 on the held-back source where start has 60.0: 3 points less"
    assert fallen.threshold == pytest.approx(0.57)
    assert source_iou(None, 0.6, than="start", drop=0.03).verdict is None


def test_agreement_is_balanced_and_leaves_rare_classes_out() -> None:
    confusion_CC = np.array([[90, 10, 0], [5, 4, 0], [1, 0, 0]])
    assert balanced_agreement(confusion_CC, 0.0) == pytest.approx((0.9 + 4 / 9 + 0) / 3)
    assert balanced_agreement(confusion_CC, 0.05) == pytest.approx((0.9 + 4 / 9) / 2)
    assert balanced_agreement(np.zeros((3, 3), np.int64), 0.0) is None


@pytest.mark.parametrize(
    ("scores", "verdict"),
    [
        ([0.7, 0.8, 0.79], "holds"),
        ([0.7, 0.8, 0.77], "doubtful"),
        ([0.7, 0.8, 0.69], "fails"),
        ([0.7, 0.69], None),
        ([0.7, None, 0.8], None),
    ],
)
def test_the_limits_of_agreement(scores: list[float | None], verdict: str | None) -> None:
    named = dict(zip(("start", "one", "two"), scores, strict=False))
    assert agreement(named, drop=0.02, members=3).verdict == verdict


def test_views_are_compared_by_iou_and_make_doubtful_at_most() -> None:
    confusion_CC = np.array([[8, 2], [0, 10]])
    assert view_consistency(confusion_CC, 0.0) == pytest.approx((8 / 10 + 10 / 12) / 2)
    assert view_consistency(confusion_CC, 0.5) is None, "no class above the half"
    assert consistency_of_views(0.751, 0.8, than="start", drop=0.05).verdict == "holds"
    assert consistency_of_views(0.1, 0.8, than="start", drop=0.05).verdict == "doubtful"
    assert consistency_of_views(None, None, than="start", drop=0.05).verdict is None


def test_the_worst_criterion_decides_and_the_first_of_several() -> None:
    holds, doubtful = Finding("holds", "fine", 1, 0), Finding("doubtful", "hm", 1, 0)
    fails, silent = Finding("fails", "bad", 1, 0), Finding(None, "no", None, None)
    names = ("share_drift", "source_iou", "agreement", "view_consistency")

    def of(*findings: Finding) -> Judgement:
        return judge(dict(zip(names, findings, strict=True)), "start")

    assert of(holds, fails, doubtful, holds) == ("fails", "bad")
    assert of(holds, doubtful, silent, doubtful._replace(reason="later")) == ("doubtful", "hm")
    assert of(holds, silent, silent, silent) == ("holds", "shares agree with start's")


# -------------------------------------------------------------------------------------------------- what never decides


def test_entropy_infomax_norm_and_density_by_hand() -> None:
    assert entropy(np.array([[0.5, 0.5], [1.0, 0.0]])).tolist() == pytest.approx([math.log(2), 0])
    assert neighbourhood_density(np.full((100, 4), 0.25)) == pytest.approx(math.log(100))
    apart = np.eye(2)  # similarity 1 to itself, 0 to the other, over .05
    other = 1 / (1 + math.exp(20))
    expected = -other * math.log(other) - (1 - other) * math.log(1 - other)
    assert neighbourhood_density(apart) == pytest.approx(expected)
    sums = UncertaintySums(2)
    with pytest.raises(ValueError, match="no pixel"):
        sums.values()
    sums.add(np.array([[1.0, 0.0], [0.0, 1.0]]))
    sums.add(np.array([[0.5, 0.5], [0.5, 0.5]]))
    values = sums.values()
    assert values["entropy"] == pytest.approx(math.log(2) / 2)
    assert values["infomax"] == pytest.approx(math.log(2) / 2)
    prob_PC = np.array([[1, 0], [0, 1], [0.5, 0.5], [0.5, 0.5]])
    assert values["nuclear_norm"] == pytest.approx(np.linalg.svd(prob_PC)[1].sum() / math.sqrt(4 * 2))
    assert values["snd"] == pytest.approx((neighbourhood_density(apart) + math.log(2)) / 2)


def test_positions_are_evenly_spaced_from_the_first_to_the_last() -> None:
    assert evenly_spaced(4, 200) == [0, 1, 2, 3]
    assert evenly_spaced(101, 5) == [0, 25, 50, 75, 100]
    assert evenly_spaced(1, 1) == [0]
