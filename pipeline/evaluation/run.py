"""Evaluating a start or a round: metrics, tables, the quality of its pseudo-labels, and pictures.

This is where labels of the target are opened, after all training.
"""

from __future__ import annotations

import math
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from PIL import Image

from pipeline.cache.reader import CacheReader
from pipeline.cache.statistics import planes
from pipeline.datasets.loading import SplitImages, SplitLabels
from pipeline.datasets.manifest import manifest_path
from pipeline.datasets.opening import images_of, labels_of
from pipeline.device import choose_computer
from pipeline.evaluation.confusion import mean_iou, merged
from pipeline.evaluation.evaluate import at_size, count_confusion, per_class, predictions, summary, write_tables
from pipeline.evaluation.folds import confusion_by_fold, over_folds
from pipeline.evaluation.pseudo_labels import PseudoLabelScore
from pipeline.files import file_hash
from pipeline.labels import ClassSet, class_set, colour_label
from pipeline.models.base import SegmentationModel
from pipeline.models.state import load_model
from pipeline.pictures import entropy_picture
from pipeline.selection.labels import pseudo_label
from pipeline.selection.result import read_selection
from pipeline.work import publish, working_folder

if TYPE_CHECKING:
    from pipeline.params import Params


def evaluate_run(params: Params, folder: Path) -> dict[str, object]:
    """Writes metrics.json, per_class.json, confusion.csv and gallery/ into the run's folder; answers the metrics."""
    classes = class_set(params.classes)
    split = params.data.evaluation
    images = images_of("evaluation", split, params.data.size)
    labels = labels_of("evaluation", split, classes, None)
    computer = choose_computer(params.runtime.device, params.runtime.precision)
    model = load_model(folder / "model.pt", "cpu")
    computer.place(model)
    pairs = predictions(model, images.image, labels.label, len(images), computer)
    confusion_CC, names, in_folds = _scored(params, pairs, len(images), classes)
    metrics: dict[str, object] = {**summary(confusion_CC, names, params.evaluate.subsets), **in_folds}
    table = per_class(confusion_CC, names)
    if (folder / "selection").exists() and manifest_path("target-labelled").exists():
        metrics["pseudo_labels"], by_class = _pseudo_label_quality(params, folder, classes)
        for name, row in by_class.items():
            if name in table:  # not merged into another
                table[name] |= {f"pseudo_label_{what}": value for what, value in row.items()}
    with working_folder(f"evaluate-{folder.name}", model=file_hash(folder / "model.pt")) as work:
        write_tables(work, metrics, table, confusion_CC, names)
        model.cpu()
        _write_gallery(model, images, labels, params.evaluate.gallery, classes, work / "gallery")
        for made in sorted(work.iterdir()):
            publish(made, folder / made.name)
    return metrics


def _scored(
    params: Params, pairs: Iterator[tuple[np.ndarray, np.ndarray]], images: int, classes: ClassSet
) -> tuple[np.ndarray, tuple[str, ...], dict[str, float]]:
    """The confusion over all images and its classes after ``evaluate.merge``; with NTHU, the headline over folds."""
    split, merge = params.data.evaluation, params.evaluate.merge
    if split.layout != "nthu" or split.fold is not None:
        return *merged(count_confusion(pairs, len(classes)), classes.names, merge), {}
    confusion_FCC = confusion_by_fold(pairs, images, len(classes))
    score_F = []
    for confusion_CC in confusion_FCC:
        merged_CC, names = merged(confusion_CC, classes.names, merge)
        members = params.evaluate.subsets.get(params.evaluate.headline, names)
        score_F.append(mean_iou(merged_CC, [names.index(name) for name in members]))
    return *merged(confusion_FCC.sum(axis=0), classes.names, merge), over_folds(score_F)


def _pseudo_label_quality(
    params: Params, folder: Path, classes: ClassSet
) -> tuple[dict[str, float | int | None], dict[str, dict[str, float | None]]]:
    """Coverage and precision over the selected images, at the cache's size: in all, and by class."""
    reader, selection = CacheReader(folder / "cache"), read_selection(folder / "selection" / "selection.json")
    labels = labels_of("target-labelled", params.data.target, classes, reader.spec.size)
    score = PseudoLabelScore(len(classes))
    labelled = {image_id: number for number, image_id in enumerate(labels.manifest.ids())}  # maybe not all are
    scored = [image_id for image_id in selection.images if image_id in labelled]
    for image_id in scored:
        score.add(labels.label(labelled[image_id]), pseudo_label(reader, selection, image_id))
    overall = {
        "images": len(selection.images),
        "images_scored": len(scored),
        "coverage": score.coverage(),
        "precision": score.precision(),
    }
    return overall, score.per_class(classes.names)


@torch.inference_mode()
def _write_gallery(
    model: SegmentationModel, images: SplitImages, labels: SplitLabels, count: int, classes: ClassSet, folder: Path
) -> None:
    """For a few images spread over the split: input, label, prediction and entropy map as PNGs of the input's size."""
    shutil.rmtree(folder, ignore_errors=True)  # what a killed run left
    folder.mkdir(parents=True)
    chosen = np.unique(np.linspace(0, len(images) - 1, count).round().astype(int))
    for place, number in enumerate(chosen):
        image_HW3 = images.image(int(number))
        logits_1Chw, _ = model(model.preprocessing(torch.from_numpy(image_HW3).permute(2, 0, 1)[None]))
        size = (image_HW3.shape[0], image_HW3.shape[1])
        answer = planes(at_size(model, logits_1Chw, size))
        label = Image.fromarray(labels.label(int(number))).resize((size[1], size[0]), Image.Resampling.NEAREST)
        entropy_HW = answer.entropy_NHW[0].numpy() / math.log(len(classes))
        for what, picture in (
            ("input", image_HW3),
            ("label", colour_label(np.asarray(label), classes)),
            ("prediction", colour_label(answer.label_NHW[0].to(torch.uint8).numpy(), classes)),
            ("entropy", entropy_picture(entropy_HW)),
        ):
            Image.fromarray(picture).save(folder / f"{place}-{what}.png")
