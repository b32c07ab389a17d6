"""What is kept of every image of the evaluation split."""

from __future__ import annotations

import math
from pathlib import Path

import h5py
import numpy as np
import pytest

from pipeline.common.files import file_hash
from pipeline.common.labels import IGNORE
from pipeline.evaluation.evaluate import Answer
from pipeline.evaluation.images import (
    ImageScore,
    PredictionsReader,
    PredictionsWriter,
    doubled,
    halved,
    read_class_pixels,
    read_scores,
    score_image,
    write_scores,
)


def answer(seed: int) -> Answer:
    random = np.random.default_rng(seed)
    truth_HW = random.integers(0, 3, (9, 14)).astype(np.uint8)
    truth_HW[:2] = IGNORE
    seen_hw = random.integers(0, 3, (5, 8)).astype(np.uint8)
    return Answer(truth_HW, truth_HW, seen_hw, random.uniform(0, math.log(3), (5, 8)).astype(np.float32))


def test_an_image_is_scored_by_its_own_confusion() -> None:
    confusion_CC = np.array([[2, 1, 0], [1, 1, 1], [0, 0, 0]])
    score = score_image("a", confusion_CC, np.full((2, 2), 0.5, np.float32))
    assert score == ImageScore("a", pytest.approx(0.5), pytest.approx((2 / 4 + 1 / 4 + 0) / 3), 0.5)
    nothing = score_image("b", np.zeros((3, 3), int), np.zeros((2, 2), np.float32))
    assert (nothing.pixel_accuracy, nothing.mIoU, nothing.entropy) == (None, None, 0.0)


def test_the_mean_entropy_is_taken_in_float64() -> None:
    entropy_hw = np.array([[0.1, 0.2], [0.4, 0.7]], np.float32)
    expected = sum(entropy_hw.astype(np.float64).ravel().tolist()) / 4
    assert expected != float(np.float32(expected))
    assert score_image("a", np.eye(2, dtype=int), entropy_hw).entropy == expected


def test_scores_are_read_as_they_were_written(tmp_path: Path) -> None:
    scores = [ImageScore("a, with a comma", 0.1, 1 / 3, 0.7), ImageScore("b", None, None, 0.0)]
    write_scores(tmp_path / "per_image.csv", scores)
    assert read_scores(tmp_path / "per_image.csv") == scores
    assert (tmp_path / "per_image.csv").read_bytes().decode() == (
        f'image,pixel_accuracy,mIoU,entropy\n"a, with a comma",0.1,{1 / 3},0.7\nb,,,0.0\n'
    )


def test_the_pixels_of_each_class_are_read_as_they_were_counted(tmp_path: Path) -> None:
    path = tmp_path / "per_image.csv"
    assert read_class_pixels(path) is None
    scores = [ImageScore("a", 0.1, 0.2, 0.7), ImageScore("b", None, None, 0.0)]
    write_scores(path, scores)
    assert read_class_pixels(path) is None, "of an earlier version"
    write_scores(path, scores, ("road, lane", "sky"), [np.array([[5, 1], [2, 3]]), np.zeros((2, 2), int)])
    assert read_scores(path) == scores
    pixels = read_class_pixels(path)
    assert pixels is not None and (pixels.images, pixels.names) == (["a", "b"], ["road, lane", "sky"])
    assert pixels.intersection_NC.tolist() == [[5, 3], [0, 0]]
    assert pixels.union_NC.tolist() == [[8, 6], [0, 0]]


def test_predictions_are_read_by_id_and_equal_runs_write_equal_bytes(tmp_path: Path) -> None:
    for name in ("one.h5", "two.h5"):
        with PredictionsWriter(tmp_path / name, 2, ("a", "b", "c")) as writer:
            writer.add("first", answer(1))
            writer.add("second", answer(2))
    assert file_hash(tmp_path / "one.h5") == file_hash(tmp_path / "two.h5")
    with PredictionsReader(tmp_path / "one.h5") as reader:
        seen = reader.image("second")
        with pytest.raises(KeyError):
            reader.image("third")
    given = answer(2)
    np.testing.assert_array_equal(seen.label_hw, given.seen_hw)
    assert seen.truth_hw.shape == (5, 8)
    assert seen.truth_hw[0, 0] == IGNORE
    assert set(np.unique(seen.truth_hw)) <= {0, 1, 2, IGNORE}  # nearest neighbour: no id is invented
    np.testing.assert_allclose(seen.entropy_share_hw, halved(given.entropy_hw / math.log(3)), atol=0.5 / 51 + 1e-6)
    assert (seen.entropy_share_hw.shape, seen.entropy_share_hw.dtype) == ((3, 4), np.float32)


def test_predictions_say_what_they_are_and_one_image_is_read_alone(tmp_path: Path) -> None:
    with PredictionsWriter(tmp_path / "p.h5", 1, ("a", "b", "c")) as writer:
        writer.add("first", answer(1))
    with h5py.File(tmp_path / "p.h5") as file:
        assert set(file) == {"image_ids", "truth", "label", "entropy"}
        assert list(file.attrs["class_names"]) == ["a", "b", "c"]
        for name, beginning in (("truth", "labels resized"), ("label", "predicted classes"), ("entropy", "round(51 E")):
            plane = file[name]
            assert plane.attrs["about"].startswith(beginning)
            assert (plane.chunks, plane.dtype) == ((1, *plane.shape[1:]), np.uint8)
            assert (plane.compression, plane.compression_opts) == ("gzip", 4)


def test_a_failed_evaluation_leaves_no_file(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), PredictionsWriter(tmp_path / "p.h5", 2, ("a", "b", "c")) as writer:
        writer.add("first", answer(1))
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []


def test_halving_by_hand() -> None:
    plane_hw = np.array([[0.0, 2.0, 4.0], [4.0, 2.0, 6.0], [1.0, 3.0, 5.0]])
    np.testing.assert_array_equal(halved(plane_hw), [[2.0, 5.0], [2.0, 5.0]])


def test_doubling_by_hand() -> None:
    plane_hw = np.array([[1.0, 2.0], [3.0, 4.0]])
    np.testing.assert_array_equal(doubled(plane_hw, (3, 3)), [[1.0, 1.0, 2.0], [1.0, 1.0, 2.0], [3.0, 3.0, 4.0]])
    assert doubled(plane_hw, (3, 4)).tolist() == [[1.0, 1.0, 2.0, 2.0], [1.0, 1.0, 2.0, 2.0], [3.0, 3.0, 4.0, 4.0]]
