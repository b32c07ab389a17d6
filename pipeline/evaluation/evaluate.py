"""Predictions of a network on labelled images, and the tables of its scores."""

# C class, H/W pixels of the label, h/w pixels of the network's input

from __future__ import annotations

import csv
import io
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from pipeline.cache.schema import View
from pipeline.cache.statistics import planes
from pipeline.common.device import Device
from pipeline.common.files import write_json, write_text
from pipeline.evaluation.confusion import intersection_over_union, mean_iou, pixel_accuracy
from pipeline.inference.views import enlarge_to, view_logits
from pipeline.models.base import SegmentationModel


class Answer(NamedTuple):
    """Prediction and entropy of one image, beside the truth."""

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
    """Predict image by image; memory holds one.

    The logits are up-sampled to the label's size, not the label shrunk to the network's: the papers' protocol.
    """
    model.eval()
    for number in range(count):
        truth_HW, image_hw3 = label_at(number), image_at(number)
        image_13hw = torch.from_numpy(image_hw3)[None].permute(0, 3, 1, 2)
        (logits,) = view_logits(model, image_13hw, (View(),), computer)
        prediction_HW = enlarge_to(model, (truth_HW.shape[0], truth_HW.shape[1]))(logits)[0].argmax(dim=0)
        seen = planes(enlarge_to(model, (image_hw3.shape[0], image_hw3.shape[1]))(logits))
        yield Answer(
            truth_HW,
            prediction_HW.to(torch.uint8).cpu().numpy(),
            seen.label_NHW[0].to(torch.uint8).cpu().numpy(),
            seen.entropy_NHW[0].cpu().numpy(),
        )


def summary(
    confusion_CC: np.ndarray,
    names: tuple[str, ...],
    subsets: dict[str, tuple[str, ...]],
    first: dict[str, tuple[str, ...]] | None = None,
) -> dict[str, float | None]:
    """Return mIoU over all classes and over each named subset, and pixel accuracy; None where nothing is labelled.

    ``first`` are subsets that come before all others: the foreground, where there is one.
    """
    values = {
        subset: mean_iou(confusion_CC, [names.index(name) for name in members])
        for subset, members in (first or {}).items()
    }
    values["mIoU"] = mean_iou(confusion_CC)
    for subset, members in subsets.items():
        values[subset] = mean_iou(confusion_CC, [names.index(name) for name in members])
    values["pixel_accuracy"] = pixel_accuracy(confusion_CC)
    return {name: _number(value) for name, value in values.items()}


def per_class(confusion_CC: np.ndarray, names: tuple[str, ...]) -> dict[str, dict[str, float | int | None]]:
    """Return IoU and the numbers of true and predicted pixels of each class."""
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
    """Write metrics.json, per_class.json, and confusion.csv (rows: truth, columns: prediction, pixels)."""
    write_json(folder / "metrics.json", metrics)
    write_json(folder / "per_class.json", classes)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["truth \\ prediction", *names])
    writer.writerows([name, *row] for name, row in zip(names, confusion_CC.tolist(), strict=True))
    write_text(folder / "confusion.csv", text.getvalue())


def _number(value: float) -> float | None:
    return None if math.isnan(value) else value
