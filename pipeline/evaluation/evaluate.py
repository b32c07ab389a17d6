"""Evaluating a network on labelled images of the target.

# N batch, C class, H/W pixels of the label, h/w of the network's input or of its logits
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from pipeline.cache.statistics import planes
from pipeline.common.device import Device
from pipeline.common.files import write_json, write_text
from pipeline.evaluation.confusion import intersection_over_union, mean_iou, pixel_accuracy
from pipeline.models.base import SegmentationModel, at_size


class Answer(NamedTuple):
    """What a network says of one image, beside the truth."""

    truth_HW: np.ndarray
    """uint8, at the label's own resolution."""
    prediction_HW: np.ndarray
    """uint8, at the label's own resolution."""
    seen_hw: np.ndarray
    """The prediction at the size of the network's input, uint8."""
    entropy_hw: np.ndarray
    """In nats, float32, at the size of the network's input."""


@torch.inference_mode()
def predictions(
    model: SegmentationModel,
    image_at: Callable[[int], np.ndarray],
    label_at: Callable[[int], np.ndarray],
    count: int,
    computer: Device,
) -> Iterator[Answer]:
    """The answers, image by image.

    The logits are up-sampled to the label's size, not the label shrunk to the network's: the papers' protocol.
    """
    model.eval()
    for number in range(count):
        truth_HW, image_hw3 = label_at(number), image_at(number)
        image_1hw3 = torch.from_numpy(image_hw3)[None]
        with computer.autocast():
            logits_1Chw, _ = model(model.preprocessing(image_1hw3.permute(0, 3, 1, 2).to(computer.device)))
        size = (int(truth_HW.shape[0]), int(truth_HW.shape[1]))
        prediction_HW = at_size(model, logits_1Chw.float(), size)[0].argmax(dim=0)
        seen = planes(at_size(model, logits_1Chw.float(), (image_hw3.shape[0], image_hw3.shape[1])))
        yield Answer(
            truth_HW,
            prediction_HW.to(torch.uint8).cpu().numpy(),
            seen.label_NHW[0].to(torch.uint8).cpu().numpy(),
            seen.entropy_NHW[0].cpu().numpy(),
        )


def summary(
    confusion_CC: np.ndarray, names: tuple[str, ...], subsets: dict[str, tuple[str, ...]]
) -> dict[str, float | None]:
    """mIoU over all classes and over each named subset, and pixel accuracy; None where nothing is labelled."""
    values = {"mIoU": mean_iou(confusion_CC)}
    for subset, members in subsets.items():
        values[subset] = mean_iou(confusion_CC, [names.index(name) for name in members])
    values["pixel_accuracy"] = pixel_accuracy(confusion_CC)
    return {name: _number(value) for name, value in values.items()}


def per_class(confusion_CC: np.ndarray, names: tuple[str, ...]) -> dict[str, dict[str, float | int | None]]:
    """IoU, and counts of true and predicted pixels, by class."""
    iou_C = intersection_over_union(confusion_CC)
    true_C, predicted_C = confusion_CC.sum(axis=1), confusion_CC.sum(axis=0)
    return {
        name: {
            "IoU": _number(float(iou_C[index])),
            "true_pixels": int(true_C[index]),
            "predicted_pixels": int(predicted_C[index]),
        }
        for index, name in enumerate(names)
    }


def write_tables(
    folder: Path,
    metrics: dict[str, object],
    classes: dict[str, dict[str, float | int | None]],
    confusion_CC: np.ndarray,
    names: tuple[str, ...],
) -> None:
    """metrics.json, per_class.json, and confusion.csv (rows: truth, columns: prediction, pixels)."""
    write_json(folder / "metrics.json", metrics)
    write_json(folder / "per_class.json", classes)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["truth \\ prediction", *names])
    writer.writerows([name, *row] for name, row in zip(names, confusion_CC.tolist(), strict=True))
    write_text(folder / "confusion.csv", text.getvalue())


def _number(value: float) -> float | None:
    return None if math.isnan(value) else value
