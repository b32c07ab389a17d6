"""When a chain of rounds ends: by its gain, or by what it changes."""

from pathlib import Path

import pytest
import torch

from pipeline.common.files import write_json
from pipeline.overnight.early_stopping import Rules, change_endings, changed_pixels, gain_endings

BEGIN = {"lse-1": "source-only", "lse-2": "lse-1", "lse-3": "lse-2", "cbst-1": "source-only"}


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    for name, value in {"source-only": 0.40, "lse-1": 0.43, "lse-2": 0.431, "lse-3": 0.5, "cbst-1": 0.39}.items():
        write_json(tmp_path / name / "metrics.json", {"mIoU": value})
    return tmp_path


def ends(runs: Path, ended: str, evaluated: set[str], **rules: float) -> list[str]:
    return [ending.first for ending in gain_endings(runs, BEGIN, evaluated, ended, "mIoU", Rules(**rules))]


def test_a_chain_ends_after_a_round_that_gains_too_little(runs):
    every = {"source-only", *BEGIN}
    assert ends(runs, "lse-1", {"source-only", "lse-1"}, gain_below=0.2) == []
    assert ends(runs, "lse-2", every, gain_below=0.2) == ["lse-2"]
    assert ends(runs, "lse-2", every, gain_below=0.05) == []
    assert ends(runs, "cbst-1", every, gain_below=0.2) == ["cbst-1"], "a loss is no gain"
    assert ends(runs, "lse-2", every) == [], "only where it was asked for"
    (ending,) = gain_endings(runs, BEGIN, every, "lse-2", "mIoU", Rules(gain_below=0.2))
    assert ending.why == "lse-2 gained +0.10 points of mIoU over lse-1, less than 0.2"
    assert not ending.include_first


def test_metrics_of_an_earlier_night_do_not_count(runs):
    assert ends(runs, "lse-2", {"lse-2"}, gain_below=0.2) == [], "lse-1's file is there, but it is not of now"
    assert ends(runs, "lse-1", {"lse-1", "lse-2"}, gain_below=0.2) == ["lse-2"], "whichever of the two ends last"


def test_an_evaluation_without_labelled_pixels_ends_nothing(runs):
    write_json(runs / "lse-2" / "metrics.json", {"mIoU": None})
    assert ends(runs, "lse-2", {"source-only", *BEGIN}, gain_below=0.2) == []


def one_hot_logits(label_NHW: torch.Tensor, classes: int) -> torch.Tensor:
    return 9.0 * torch.nn.functional.one_hot(label_NHW, classes).permute(0, 3, 1, 2).float()


def test_changed_pixels_are_counted_by_image_whatever_their_order(tmp_path, write_cache):
    label_NHW = torch.randint(0, 3, (3, 4, 10), generator=torch.Generator().manual_seed(1))
    changed_NHW = label_NHW.clone()
    changed_NHW[0, 0, :6] = (changed_NHW[0, 0, :6] + 1) % 3
    before, after = tmp_path / "lse-1" / "cache", tmp_path / "lse-2" / "cache"
    write_cache(before, one_hot_logits(label_NHW, 3), (4, 10), ["a", "b", "c"])
    write_cache(after, one_hot_logits(changed_NHW[[2, 0, 1]], 3), (4, 10), ["c", "a", "b"])
    assert changed_pixels(before, after) == pytest.approx(100 * 6 / 120)
    begin = {"lse-1": "source-only", "lse-2": "lse-1"}
    (ending,) = change_endings(tmp_path, begin, "lse-2", Rules(change_below=6))
    assert ending.include_first
    assert ending.why == "lse-1 changed the class of 5.00 % of the target's pixels, less than 6"
    assert change_endings(tmp_path, begin, "lse-2", Rules(change_below=4)) == []
    assert change_endings(tmp_path, begin, "lse-1", Rules(change_below=99)) == [], "an initial model has no cache"
