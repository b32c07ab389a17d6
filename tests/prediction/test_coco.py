"""Labels as COCO's run lengths, which decode to the same masks."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from pipeline.common.labels import IGNORE, classes_named
from pipeline.prediction.coco import Labelled, annotations_of, run_lengths, write_coco

CLASSES = classes_named("mine", ("wall", "crack", "stain"))


def decoded(segmentation: dict) -> np.ndarray:
    """As COCO describes it: runs of 0 and 1 in turn, down the columns."""
    height, width = segmentation["size"]
    pixels = [value for number, length in enumerate(segmentation["counts"]) for value in [number % 2] * length]
    return np.array(pixels, bool).reshape(width, height).T


def test_run_lengths_go_down_the_columns_and_begin_outside() -> None:
    assert run_lengths(np.array([[0, 1], [1, 1]], bool)) == [1, 3]
    assert run_lengths(np.array([[1, 0], [0, 0]], bool)) == [0, 1, 3]
    assert run_lengths(np.ones((2, 3), bool)) == [0, 6]
    assert run_lengths(np.zeros((2, 3), bool)) == [6]


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (7, 1), (13, 8)])
def test_annotations_decode_to_the_label(size: tuple[int, int]) -> None:
    label_HW = np.random.default_rng(3).choice(np.array([0, 1, 2, IGNORE], np.uint8), size)
    back_HW = np.full(size, IGNORE, np.uint8)
    for annotation in annotations_of(label_HW):
        mask_HW = decoded(annotation["segmentation"])
        assert annotation["area"] == mask_HW.sum() > 0
        left, top, width, height = annotation["bbox"]
        assert mask_HW[top : top + height, left : left + width].sum() == annotation["area"]
        assert mask_HW[top].any() and mask_HW[:, left].any()
        assert mask_HW[top + height - 1].any() and mask_HW[:, left + width - 1].any()
        back_HW[mask_HW] = annotation["category_id"] - 1
    assert (back_HW == label_HW).all()


def test_the_file_holds_all_that_coco_asks_for_and_one_label_at_a_time(tmp_path: Path) -> None:
    events: list[str] = []

    def images() -> Iterator[Labelled]:
        for number, value in enumerate((0, IGNORE, 2)):
            yield Labelled(f"a/{number}.jpg", (2, 3), lambda number=number, value=value: label(number, value))
            events.append(f"after {number}")

    def label(number: int, value: int) -> np.ndarray:
        events.append(f"label {number}")
        return np.full((2, 3), value, np.uint8)

    assert write_coco(tmp_path / "x.json", images, CLASSES, "words") == 3
    content = json.loads((tmp_path / "x.json").read_text())
    assert events == [
        "after 0", "after 1", "after 2", "label 0", "after 0", "label 1", "after 1", "label 2", "after 2"
    ]  # fmt: skip
    assert [category["name"] for category in content["categories"]] == list(CLASSES.names)
    assert content["images"][1] == {"id": 2, "file_name": "a/1.jpg", "height": 2, "width": 3}
    assert [(a["id"], a["image_id"], a["category_id"]) for a in content["annotations"]] == [(1, 1, 1), (2, 3, 3)]
