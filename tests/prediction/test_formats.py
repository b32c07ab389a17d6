"""What stands in the files of predictions."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from pipeline.common.errors import ReadableError
from pipeline.common.labels import CITYSCAPES_19, CLASS_SETS, classes_named
from pipeline.datasets.meaning import CITYSCAPES_IDS
from pipeline.datasets.meaning import table_of as ids_to_classes
from pipeline.prediction.formats import FORMATS, overlay, picture_of, table_of

IMAGE = Image.new("RGB", (40, 20), (100, 100, 100))


def label(value: int) -> np.ndarray:
    return np.full((20, 40), value, dtype=np.uint8)


def test_label_ids_are_cityscapes_and_lead_back_to_the_classes() -> None:
    classes = classes_named("a model's", CITYSCAPES_19.names)
    table = table_of("label-ids", classes)
    assert (table[0], table[13], table[18]) == (7, 26, 33)
    back = ids_to_classes(CITYSCAPES_IDS, CITYSCAPES_19)
    assert back[table[:19]].tolist() == list(range(19))


def test_a_network_of_16_classes_writes_their_ids_in_the_19() -> None:
    classes = classes_named("a model's", CLASS_SETS["synthia-16"].names)
    sky = CLASS_SETS["synthia-16"].names.index("sky")
    assert sky == 9
    assert table_of("label-ids", classes)[sky] == 23
    assert table_of("train-ids", classes)[sky] == 10
    assert np.asarray(picture_of("train-ids", label(sky), IMAGE, classes)).max() == 10


def test_classes_that_cityscapes_does_not_have() -> None:
    classes = classes_named("a model's", ("road", "canal"))
    with pytest.raises(ReadableError, match="label-ids: Cityscapes has no class canal; choose one of train-ids"):
        table_of("label-ids", classes)
    assert table_of("train-ids", classes)[:2].tolist() == [0, 1]
    assert classes.palette[0] == (128, 64, 128)
    assert len(set(classes_named("a model's", tuple(f"class {number}" for number in range(40))).palette)) == 40


def test_colours_are_seen_and_numbers_are_kept() -> None:
    picture = picture_of("colour", label(13), IMAGE, classes_named("a model's", CITYSCAPES_19.names))
    assert picture.mode == "P"
    assert np.unique(np.asarray(picture)).tolist() == [13]
    assert picture.convert("RGB").getpixel((0, 0)) == CITYSCAPES_19.palette[13]


def test_the_overlay_is_half_the_image_and_has_a_legend_below() -> None:
    label_HW = label(0)
    label_HW[:, 30:] = 10
    picture = overlay(label_HW, IMAGE, classes_named("a model's", CITYSCAPES_19.names))
    assert picture.height > 20
    assert picture.getpixel((0, 0)) == tuple((100 + value) // 2 for value in CITYSCAPES_19.palette[0])
    below = np.asarray(picture)[20:]
    for place in (0, 10):  # a swatch of each class that is there, of no other
        assert (below == CITYSCAPES_19.palette[place]).all(axis=-1).sum() > 50
    assert not (below == CITYSCAPES_19.palette[13]).all(axis=-1).any()
    assert (np.asarray(picture) == CITYSCAPES_19.palette[0]).all(axis=-1)[20:].any()


@pytest.mark.parametrize("format_", FORMATS)
def test_every_format_is_as_large_as_the_image_or_has_it_at_its_top(format_: str) -> None:
    picture = picture_of(format_, label(3), IMAGE, classes_named("a model's", CITYSCAPES_19.names))
    assert picture.width >= 40
    assert picture.height >= 20 if format_ == "overlay" else picture.size == (40, 20)
