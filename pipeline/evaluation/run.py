"""Evaluating an initial model or a round: metrics, tables, the quality of its pseudo-labels, and pictures.

Labels of the target are opened here, after all training.
"""

# F fold, C class, h/w pixels of the network's input

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from pipeline.cache.reader import CacheReader
from pipeline.common.colours import entropy_picture
from pipeline.common.device import Device
from pipeline.common.files import file_hash
from pipeline.common.labels import ClassSet, colour_label
from pipeline.common.work import publish, working_folder
from pipeline.datasets.folds import fold_of
from pipeline.datasets.loading import SplitImages
from pipeline.datasets.manifest import manifest_path
from pipeline.datasets.opening import images_of, labels_of, prepared_split
from pipeline.evaluation.confusion import confusion_matrix, mean_iou, merged
from pipeline.evaluation.evaluate import Answer, per_class, predictions, summary, write_tables
from pipeline.evaluation.folds import over_folds
from pipeline.evaluation.images import (
    PER_IMAGE,
    PREDICTIONS,
    PredictionsReader,
    PredictionsWriter,
    doubled,
    score_image,
    write_scores,
)
from pipeline.evaluation.pseudo_labels import PseudoLabelScore
from pipeline.methods.pseudo_labels import pseudo_label
from pipeline.methods.selection_file import read_selection, selection_fingerprint
from pipeline.models.state import load_model

if TYPE_CHECKING:
    from pipeline.params.params import Evaluate

Quality = tuple[dict[str, float | int | str | None], dict[str, dict[str, float | None]]]
"""Of pseudo-labels: over all classes, and by class."""


def evaluate_run(
    folder: Path, *, size: tuple[int, int], settings: Evaluate, classes: ClassSet, computer: Device
) -> dict[str, object]:
    """Score the model.pt in a run's folder and return its metrics.

    Writes metrics.json, per_class.json, confusion.csv, per_image.csv, predictions.h5 and gallery/ into the folder. The
    pseudo-labels are scored if the folder has a selection and the target has labels.
    """
    images = images_of("evaluation", size)
    labels = labels_of("evaluation", classes, None)
    model = load_model(folder / "model.pt", "cpu")
    computer.place(model)
    labelled = prepared_split("evaluation").labels
    folds = labelled.folds if labelled else 1
    with working_folder(f"evaluate-{folder.name}", model=file_hash(folder / "model.pt")) as work:
        answers = predictions(model, images.image, labels.scored_label, len(images), computer)
        confusion_FCC = _score_images(answers, images, folds, classes, settings.merge, work)
        confusion_CC, names = merged(confusion_FCC.sum(axis=0), classes.names, settings.merge)
        foreground = _foreground(classes, settings.merge)
        metrics: dict[str, object] = dict(summary(confusion_CC, names, settings.subsets, foreground))
        metrics |= _headline_over_folds(settings, confusion_FCC, classes)
        table = per_class(confusion_CC, names)
        if (folder / "selection").exists() and manifest_path("target-labelled").exists():
            metrics["pseudo_labels"], by_class = _pseudo_label_quality(folder, classes)
            for name, row in by_class.items():
                if name in table:  # not merged into another
                    table[name] |= {f"pseudo_label_{key}": value for key, value in row.items()}
        write_tables(work, metrics, table, confusion_CC, names)
        _write_gallery(images, work / PREDICTIONS, settings.gallery, classes, work / "gallery")
        for path in sorted(work.iterdir()):
            publish(path, folder / path.name)
    return metrics


def _score_images(
    answers: Iterator[Answer],
    images: SplitImages,
    folds: int,
    classes: ClassSet,
    merge: Mapping[str, str],
    folder: Path,
) -> np.ndarray:
    """Write predictions.h5 and per_image.csv, and return the confusions (F,C,C) of the folds."""
    confusion_FCC = np.zeros((folds, len(classes), len(classes)), dtype=np.int64)
    scores, confusions, names = [], [], tuple(name for name in classes.names if name not in merge)
    with PredictionsWriter(folder / PREDICTIONS, len(images), classes.names) as writer:
        for number, answer in enumerate(answers):
            image_CC = confusion_matrix(answer.truth_HW, answer.prediction_HW, len(classes))
            confusion_FCC[fold_of(number, len(images), folds)] += image_CC
            merged_CC, _ = merged(image_CC, classes.names, merge)
            scores.append(score_image(images.id(number), merged_CC, answer.entropy_hw))
            confusions.append(merged_CC)
            writer.add(images.id(number), answer)
    write_scores(folder / PER_IMAGE, scores, names, confusions)
    return confusion_FCC


def _foreground(classes: ClassSet, merge: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    """The foreground as a subset of its own, by the name of its metric; empty where all classes count alike."""
    name, metric = classes.foreground, classes.foreground_metric
    return {} if name is None or metric is None or name in merge else {metric: (name,)}


def _headline_over_folds(settings: Evaluate, confusion_FCC: np.ndarray, classes: ClassSet) -> dict[str, float]:
    """Return mean and deviation of the headline over folds; empty where there are none."""
    score_F = []
    for confusion_CC in confusion_FCC:
        merged_CC, names = merged(confusion_CC, classes.names, settings.merge)
        members = (_foreground(classes, settings.merge) | settings.subsets).get(settings.headline, names)
        score_F.append(mean_iou(merged_CC, [names.index(name) for name in members]))
    return over_folds(score_F)


def _pseudo_label_quality(folder: Path, classes: ClassSet) -> Quality:
    """Return coverage and precision over the selected images, at the cache's size: in all, and by class.

    Of tiles, each pixel of a picture counts once, and not as often as it is trained on.
    """
    reader, selection = CacheReader(folder / "cache"), read_selection(folder / "selection" / "selection.json")
    labels = labels_of("target-labelled", classes, reader.spec.size)
    score = PseudoLabelScore(len(classes))
    labelled = {image_id: number for number, image_id in enumerate(labels.manifest.ids())}  # maybe not all are
    scored = [image_id for image_id in selection.images if image_id in labelled]
    for image_id in scored:
        score.add(labels.scored_label(labelled[image_id]), pseudo_label(reader, selection, image_id))
    overall: dict[str, float | int | str | None] = {
        "images": len(selection.images),
        "images_scored": len(scored),
        "coverage": score.coverage(),
        "precision": score.precision(),
        # while a round runs again, the viewer tells by it that these figures are of the selection before
        "selection": selection_fingerprint(selection, cache=reader.spec.fingerprint),
    }
    return overall, score.per_class(classes.names)


def _write_gallery(images: SplitImages, predictions: Path, count: int, classes: ClassSet, folder: Path) -> None:
    """Write PNGs of a few images spread over the split: input, label, prediction, entropy, at the input's size.

    All but the input comes from predictions.h5, whose entropy has half the resolution.
    """
    shutil.rmtree(folder, ignore_errors=True)  # what a killed run left
    folder.mkdir(parents=True)
    chosen = np.unique(np.linspace(0, len(images) - 1, count).round().astype(int))
    with PredictionsReader(predictions) as reader:
        for row, number in enumerate(map(int, chosen)):
            image_hw3, seen = images.image(number), reader.image(images.id(number))
            for name, picture_hw3 in {
                "input": image_hw3,
                "label": colour_label(seen.truth_hw, classes),
                "prediction": colour_label(seen.label_hw, classes),
                "entropy": entropy_picture(doubled(seen.entropy_share_hw, seen.label_hw.shape)),
            }.items():
                Image.fromarray(picture_hw3).save(folder / f"{row}-{name}.png")
