"""Predictions at the label's own resolution, and the tables.

# N batch, C class, H/W pixels, h/w network resolution
"""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from pipeline.common.device import select_device
from pipeline.common.labels import IGNORE
from pipeline.evaluation.evaluate import per_class, predictions, summary, write_tables
from pipeline.models.base import PREPROCESSINGS, SegmentationModel, Upsample, at_size

CPU = select_device("cpu", "float32")
NAMES = ("a", "b", "c")
CONFUSION = np.array([[2, 1, 0], [1, 1, 1], [0, 0, 0]])


class Colours(SegmentationModel):
    """The red, green and blue of every second pixel are the logits of three classes."""

    HEAD_PARTS = frozenset[str]()

    def __init__(self, upsample: Upsample | None) -> None:
        super().__init__(3, PREPROCESSINGS["lite-rgb"], upsample)
        self.dropout = nn.Dropout(0.9)

    def forward_with_front(self, input_N3HW: Tensor) -> tuple[Tensor, Tensor | None, tuple[Tensor, Tensor]]:
        logits_N3hw = self.dropout(input_N3HW[..., ::2, ::2] if self.upsample else input_N3HW)
        return logits_N3hw, None, (input_N3HW, input_N3HW)

    def classifiers(self) -> list[nn.Conv2d]:
        return []


def image_at(number: int) -> np.ndarray:
    return np.random.default_rng(number).integers(0, 256, (8, 16, 3)).astype(np.uint8)


def label_at(number: int) -> np.ndarray:
    label_HW = np.random.default_rng(100 + number).integers(0, 3, (13, 29)).astype(np.uint8)
    label_HW[0] = IGNORE
    return label_HW


@pytest.mark.parametrize("upsample", [Upsample("bilinear", align_corners=True), Upsample(), None])
def test_predictions_have_the_labels_resolution_and_the_label_is_left_alone(upsample: Upsample | None) -> None:
    model = Colours(upsample).train()
    answers = list(predictions(model, image_at, label_at, 3, CPU))
    assert len(answers) == 3
    for number, (truth_HW, prediction_HW, _, _) in enumerate(answers):
        np.testing.assert_array_equal(truth_HW, label_at(number))
        assert (prediction_HW.shape, prediction_HW.dtype) == ((13, 29), np.uint8)
        image_13HW = torch.from_numpy(image_at(number)).permute(2, 0, 1)[None].float()
        logits_13hw = image_13HW[..., ::2, ::2] if upsample else image_13HW
        aligned = upsample is not None and upsample.align_corners
        expected = functional.interpolate((logits_13hw - 127) / 128, (13, 29), mode="bilinear", align_corners=aligned)
        np.testing.assert_array_equal(prediction_HW, expected[0].argmax(dim=0).numpy())


def test_padding_of_a_network_that_answers_at_its_inputs_size_is_interpolated_away() -> None:
    logits = torch.arange(4.0).view(1, 1, 1, 4).expand(1, 3, 2, 4)
    assert torch.equal(at_size(Colours(None), logits, (2, 4)), logits)
    assert at_size(Colours(None), logits, (2, 2))[0, 0, 0].tolist() == [0.5, 2.5]


def test_what_is_seen_and_its_entropy_have_the_size_of_the_networks_input() -> None:
    (answer,) = predictions(Colours(Upsample("bilinear", align_corners=True)), image_at, label_at, 1, CPU)
    image_13HW = torch.from_numpy(image_at(0)).permute(2, 0, 1)[None].float()
    logits = functional.interpolate(
        (image_13HW[..., ::2, ::2] - 127) / 128, (8, 16), mode="bilinear", align_corners=True
    )
    prob_CHW = torch.softmax(logits, dim=1)[0]
    np.testing.assert_array_equal(answer.seen_hw, prob_CHW.argmax(dim=0).numpy())
    np.testing.assert_allclose(answer.entropy_hw, -(prob_CHW * prob_CHW.log()).sum(dim=0).numpy(), rtol=1e-5)
    assert answer.seen_hw.dtype == np.uint8


def test_the_summary_has_all_classes_subsets_and_accuracy() -> None:
    assert summary(CONFUSION, NAMES, {"first": ("a",), "others": ("b", "c"), "none": ("c",)}) == {
        "mIoU": pytest.approx(3 / 4 / 3),
        "first": pytest.approx(2 / 4),
        "others": pytest.approx(1 / 4 / 2),
        "none": 0.0,
        "pixel_accuracy": pytest.approx(3 / 6),
    }
    assert summary(np.zeros((3, 3), int), NAMES, {}) == {"mIoU": None, "pixel_accuracy": None}


def test_a_class_that_is_nowhere_has_no_iou_in_the_table() -> None:
    table = per_class(CONFUSION, NAMES)
    assert table["b"] == {"IoU": pytest.approx(1 / 4), "true_pixels": 3, "predicted_pixels": 2}
    assert table["c"] == {"IoU": 0.0, "true_pixels": 0, "predicted_pixels": 1}
    nowhere = per_class(np.diag([2, 3, 0]), NAMES)
    assert nowhere["c"] == {"IoU": None, "true_pixels": 0, "predicted_pixels": 0}


def test_the_tables_are_files_that_others_can_read(tmp_path: Path) -> None:
    metrics: dict[str, object] = dict(summary(np.diag([3, 3, 0]), NAMES, {"none": ("c",)}))
    write_tables(tmp_path, metrics, per_class(CONFUSION, NAMES), CONFUSION, NAMES)
    assert json.loads((tmp_path / "metrics.json").read_text())["none"] is None
    assert json.loads((tmp_path / "per_class.json").read_text())["a"]["true_pixels"] == 3
    with (tmp_path / "confusion.csv").open(newline="") as file:
        head, *rows = csv.reader(file)
    assert head[1:] == list(NAMES)
    assert {row[0]: [int(cell) for cell in row[1:]] for row in rows} == dict(
        zip(NAMES, CONFUSION.tolist(), strict=True)
    )
    assert (tmp_path / "confusion.csv").read_bytes() == b"truth \\ prediction,a,b,c\na,2,1,0\nb,1,1,1\nc,0,0,0\n"


def test_a_confusion_of_more_classes_than_names_is_not_cut(tmp_path: Path) -> None:
    with pytest.raises(ValueError):
        write_tables(tmp_path, {}, {}, CONFUSION, NAMES[:2])


def test_the_foreground_comes_before_all_other_metrics() -> None:
    confusion_CC = np.array([[90, 5], [2, 3]])
    metrics = summary(
        confusion_CC, ("background", "crack"), {"all": ("background", "crack")}, {"IoU crack": ("crack",)}
    )
    assert list(metrics) == ["IoU crack", "mIoU", "all", "pixel_accuracy"]
    assert metrics["IoU crack"] == pytest.approx(3 / 10)
    assert metrics["mIoU"] == pytest.approx((3 / 10 + 90 / 97) / 2)
