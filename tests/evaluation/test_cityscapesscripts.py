"""The same mean IoU as the data set's own evaluator, on the same PNGs of label ids."""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.common.labels import CITYSCAPES_19, CITYSCAPES_ID_TO_TRAIN_ID
from pipeline.datasets.entries import entries, label_reader, label_table
from pipeline.datasets.index import index_split
from pipeline.datasets.loading import SplitLabels
from pipeline.datasets.manifest import Manifest
from pipeline.datasets.meaning import CITYSCAPES_IDS, table_of
from pipeline.evaluation.confusion import confusion_matrix, intersection_over_union, mean_iou
from pipeline.params import CityscapesSplit
from tests import published

official = pytest.importorskip("cityscapesscripts.evaluation.evalPixelLevelSemanticLabeling")

CLASS_IDS = np.array(list(CITYSCAPES_ID_TO_TRAIN_ID))
VOID_IDS = np.array([0, 1, 2, 3, 4, 5, 6, 9, 10, 14, 15, 16, 18, 29, 30])
Pair = tuple[np.ndarray, np.ndarray]


def streets(seed: int, absent: tuple[int, ...] = ()) -> Pair:
    """Label ids of a truth with void pixels, and of a prediction that is right about two times in three."""
    generator = np.random.default_rng(seed)
    present = np.array([identity for identity in CLASS_IDS if identity not in absent])
    truth_HW = generator.choice(present, (30, 60))
    prediction_HW = np.where(generator.random((30, 60)) < 0.65, truth_HW, generator.choice(present, (30, 60)))
    truth_HW[generator.random((30, 60)) < 0.1] = generator.choice(VOID_IDS)
    return truth_HW.astype(np.uint8), prediction_HW.astype(np.uint8)


def official_scores(pairs: list[Pair], folder: Path) -> tuple[float, dict[str, float]]:
    truths, predictions = [], []
    for number, (truth_HW, prediction_HW) in enumerate(pairs):
        truths.append(str(folder / f"ulm_{number:06}_000019_gtFine_labelIds.png"))
        predictions.append(str(folder / f"ulm_{number:06}_000019_pred.png"))
        Image.fromarray(truth_HW).save(truths[-1])
        Image.fromarray(prediction_HW).save(predictions[-1])
    settings = copy.copy(official.args)
    settings.quiet, settings.JSONOutput, settings.evalInstLevelScore = True, False, False
    result = official.evaluateImgLists(predictions, truths, settings)
    return result["averageScoreClasses"], result["classScores"]


def our_confusion(pairs: list[Pair]) -> np.ndarray:
    table = table_of(CITYSCAPES_IDS, CITYSCAPES_19)
    return sum(
        (confusion_matrix(table[truth], table[prediction], 19) for truth, prediction in pairs),
        start=np.zeros((19, 19), dtype=np.int64),
    )


@pytest.mark.parametrize("absent", [(), (31, 16)], ids=["all classes", "no train anywhere"])
def test_mean_and_class_iou_are_the_official_evaluators(tmp_path: Path, absent: tuple[int, ...]) -> None:
    pairs = [streets(seed, absent) for seed in range(3)]
    mean, by_class = official_scores(pairs, tmp_path)
    confusion_CC = our_confusion(pairs)
    assert mean_iou(confusion_CC) == pytest.approx(mean, abs=1e-12)
    expected = [by_class[name] for name in CITYSCAPES_19.names]
    np.testing.assert_allclose(intersection_over_union(confusion_CC), expected, atol=1e-12)
    assert np.isnan(expected).sum() == (1 if absent else 0)
    assert 0.3 < mean < 0.7


def test_a_class_that_is_predicted_but_nowhere_true_counts_as_in_the_official_evaluator(tmp_path: Path) -> None:
    truth_HW, prediction_HW = streets(0, absent=(31,))
    prediction_HW[0, :5] = 31  # five pixels of "train"
    mean, by_class = official_scores([(truth_HW, prediction_HW)], tmp_path)
    confusion_CC = our_confusion([(truth_HW, prediction_HW)])
    assert by_class["train"] == 0.0
    assert mean == pytest.approx(mean_iou(confusion_CC))


def test_files_as_published_score_the_same_through_our_loader_as_through_the_official_evaluator(tmp_path: Path) -> None:
    published.cityscapes(tmp_path, "val", count=4)
    split = CityscapesSplit(layout="cityscapes", root=str(tmp_path), split="val")
    table = label_table(split, CITYSCAPES_19)
    manifest = tmp_path / "manifest.jsonl"
    assert not index_split(entries(split), table, manifest, needs_labels=True, crop=None, workers=2, progress=False)
    labels = SplitLabels(Manifest(manifest), crop=None, size=None, table=table, read=label_reader(split))
    generator = np.random.default_rng(0)
    ids_19 = np.array([identity for identity, _ in sorted(CITYSCAPES_ID_TO_TRAIN_ID.items(), key=lambda item: item[1])])
    truths, predictions = [], []
    confusion_CC = np.zeros((19, 19), dtype=np.int64)
    for position in range(len(labels)):
        label_HW = labels.label(position)
        guess_HW = generator.integers(0, 19, label_HW.shape)
        prediction_HW = np.where((label_HW < 19) & (generator.random(label_HW.shape) < 0.6), label_HW, guess_HW)
        confusion_CC += confusion_matrix(label_HW, prediction_HW.astype(np.uint8), 19)
        truths.append(labels.manifest[position].label)
        predictions.append(str(tmp_path / f"{labels.id(position)}_pred.png"))
        Image.fromarray(ids_19[prediction_HW].astype(np.uint8)).save(predictions[-1])
    settings = copy.copy(official.args)
    settings.quiet, settings.JSONOutput, settings.evalInstLevelScore = True, False, False
    result = official.evaluateImgLists(predictions, truths, settings)
    assert mean_iou(confusion_CC) == pytest.approx(result["averageScoreClasses"], abs=1e-12)
    expected = [result["classScores"][name] for name in CITYSCAPES_19.names]
    np.testing.assert_allclose(intersection_over_union(confusion_CC), expected, atol=1e-12)
    assert 0.2 < mean_iou(confusion_CC) < 0.8
