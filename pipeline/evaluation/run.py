"""Evaluating a start or a round: metrics, tables, the quality of its pseudo-labels, and pictures.

This is where labels of the target are opened, after all training.
"""

from __future__ import annotations

import math
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from PIL import Image

from pipeline.cache.reader import CacheReader
from pipeline.cache.statistics import planes
from pipeline.common.colours import entropy_picture
from pipeline.common.device import Device, select_device
from pipeline.common.files import file_hash, forget_partial_files
from pipeline.common.labels import ClassSet, class_set, colour_label
from pipeline.common.work import publish, working_folder
from pipeline.datasets.folds import fold_of
from pipeline.datasets.loading import SplitImages, SplitLabels
from pipeline.datasets.manifest import manifest_path
from pipeline.datasets.opening import images_of, labels_of, prepared_split
from pipeline.evaluation.confusion import confusion_matrix, mean_iou, merged
from pipeline.evaluation.evaluate import per_class, predictions, summary, write_tables
from pipeline.evaluation.folds import over_folds
from pipeline.evaluation.images import PER_IMAGE, PREDICTIONS, PredictionsWriter, score_image, write_scores
from pipeline.evaluation.pseudo_labels import PseudoLabelScore
from pipeline.methods.pseudo_labels import pseudo_label
from pipeline.methods.selection_file import read_selection, selection_fingerprint
from pipeline.models.base import SegmentationModel, at_size
from pipeline.models.state import load_model

if TYPE_CHECKING:
    from pipeline.params import Params


def evaluate_run(params: Params, folder: Path) -> dict[str, object]:
    """Scores the run's model.pt; answers the metrics.

    Writes metrics.json, per_class.json, confusion.csv, per_image.csv, predictions.h5 and gallery/ into its folder.
    """
    classes = class_set(params.classes)
    images = images_of("evaluation", params.data.size)
    labels = labels_of("evaluation", classes, None)
    computer = select_device(params.runtime.device, params.runtime.precision)
    model = load_model(folder / "model.pt", "cpu")
    computer.place(model)
    with working_folder(f"evaluate-{folder.name}", model=file_hash(folder / "model.pt")) as work:
        forget_partial_files(work)  # of a killed run: all that lies here is published
        confusion_FCC = _score_images(params, model, images, labels, computer, classes, work)
        confusion_CC, names = merged(confusion_FCC.sum(axis=0), classes.names, params.evaluate.merge)
        metrics: dict[str, object] = dict(summary(confusion_CC, names, params.evaluate.subsets))
        metrics |= _headline_over_folds(params, confusion_FCC, classes)
        table = per_class(confusion_CC, names)
        if (folder / "selection").exists() and manifest_path("target-labelled").exists():
            metrics["pseudo_labels"], by_class = _pseudo_label_quality(params, folder, classes)
            for name, row in by_class.items():
                if name in table:  # not merged into another
                    table[name] |= {f"pseudo_label_{what}": value for what, value in row.items()}
        write_tables(work, metrics, table, confusion_CC, names)
        model.cpu()
        _write_gallery(model, images, labels, params.evaluate.gallery, classes, work / "gallery")
        for made in sorted(work.iterdir()):
            publish(made, folder / made.name)
    return metrics


def _score_images(
    params: Params,
    model: SegmentationModel,
    images: SplitImages,
    labels: SplitLabels,
    computer: Device,
    classes: ClassSet,
    folder: Path,
) -> np.ndarray:
    """Writes what is known of each image, and answers the confusions (F,C,C) of NTHU's folds, or of all."""
    merge, labelled = params.evaluate.merge, prepared_split("evaluation").labels
    folds = labelled.folds if labelled else 1
    confusion_FCC, scores = np.zeros((folds, len(classes), len(classes)), dtype=np.int64), []
    with PredictionsWriter(folder / PREDICTIONS, len(images), classes.names) as writer:
        for number, answer in enumerate(predictions(model, images.image, labels.label, len(images), computer)):
            image_CC = confusion_matrix(answer.truth_HW, answer.prediction_HW, len(classes))
            confusion_FCC[fold_of(number, len(images), folds)] += image_CC
            merged_CC, _ = merged(image_CC, classes.names, merge)
            scores.append(score_image(images.id(number), merged_CC, answer.entropy_hw))
            writer.add(images.id(number), answer)
    write_scores(folder / PER_IMAGE, scores)
    return confusion_FCC


def _headline_over_folds(params: Params, confusion_FCC: np.ndarray, classes: ClassSet) -> dict[str, float]:
    """Mean and deviation of the headline over folds; empty where there are none."""
    score_F = []
    for confusion_CC in confusion_FCC:
        merged_CC, names = merged(confusion_CC, classes.names, params.evaluate.merge)
        members = params.evaluate.subsets.get(params.evaluate.headline, names)
        score_F.append(mean_iou(merged_CC, [names.index(name) for name in members]))
    return over_folds(score_F)


def _pseudo_label_quality(
    params: Params, folder: Path, classes: ClassSet
) -> tuple[dict[str, float | int | str | None], dict[str, dict[str, float | None]]]:
    """Coverage and precision over the selected images, at the cache's size: in all, and by class."""
    reader, selection = CacheReader(folder / "cache"), read_selection(folder / "selection" / "selection.json")
    labels = labels_of("target-labelled", classes, reader.spec.size)
    score = PseudoLabelScore(len(classes))
    labelled = {image_id: number for number, image_id in enumerate(labels.manifest.ids())}  # maybe not all are
    scored = [image_id for image_id in selection.images if image_id in labelled]
    for image_id in scored:
        score.add(labels.label(labelled[image_id]), pseudo_label(reader, selection, image_id))
    overall: dict[str, float | int | str | None] = {
        "images": len(selection.images),
        "images_scored": len(scored),
        "coverage": score.coverage(),
        "precision": score.precision(),
        # so that whoever looks while a round runs again tells these figures from those of its next selection
        "selection": selection_fingerprint(selection, cache=reader.spec.fingerprint),
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
