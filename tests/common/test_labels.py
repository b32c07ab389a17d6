"""Class sets, id tables and colours, against hand-picked ids and against the data set's own tools."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.common.labels import (
    CITYSCAPES_19,
    IGNORE,
    UNKNOWN,
    class_set,
    colour_label,
    id_table,
)
from pipeline.datasets.meaning import CITYSCAPES_IDS, TRAIN_IDS, table_of


@pytest.mark.parametrize(
    ("name", "count"),
    [("cityscapes-19", 19), ("synthia-16", 16), ("synthia-13", 13), ("nthu-13", 13), ("carla-camvid-9", 9)],
)
def test_a_class_set_has_as_many_classes_as_its_name_says(name: str, count: int) -> None:
    classes = class_set(name)
    assert len(classes) == len(set(classes.names)) == len(classes.palette) == count


def test_synthias_classes_leave_out_those_of_its_protocols() -> None:
    all_classes = set(CITYSCAPES_19.names)
    assert all_classes - set(class_set("synthia-16").names) == {"terrain", "truck", "train"}
    assert set(class_set("synthia-16").names) - set(class_set("synthia-13").names) == {"wall", "fence", "pole"}


def test_a_class_keeps_its_colour_in_a_smaller_set() -> None:
    classes = class_set("carla-camvid-9")
    assert classes.palette[classes.index("car")] == (0, 0, 142)
    assert classes.palette[classes.index("sky")] == (70, 130, 180)


def test_an_unknown_class_or_set_lists_the_names() -> None:
    with pytest.raises(ValueError, match=r"class 'cat' is not in the class set cityscapes-19: road, sidewalk"):
        CITYSCAPES_19.index("cat")
    with pytest.raises(ValueError, match=r"class set 'coco' is unknown; choose one of cityscapes-19, synthia-16"):
        class_set("coco")


def test_the_19_classes_are_those_of_the_data_sets_own_tools() -> None:
    labels = pytest.importorskip("cityscapesscripts.helpers.labels").labels
    table = table_of(CITYSCAPES_IDS, CITYSCAPES_19)
    looked_at = 0
    for label in labels:
        if label.id >= 0:
            looked_at += 1
            assert table[label.id] == (IGNORE if label.ignoreInEval else label.trainId), label.name
            if not label.ignoreInEval:
                assert CITYSCAPES_19.names[label.trainId] == label.name
                assert CITYSCAPES_19.palette[label.trainId] == label.color
    assert looked_at == 34


def test_ids_outside_the_set_are_ignored_and_ids_outside_the_data_set_are_unknown() -> None:
    table = table_of(CITYSCAPES_IDS, class_set("synthia-16"))
    assert table[[22, 27, 31]].tolist() == [IGNORE] * 3  # terrain, truck, train
    assert table[[23, 33]].tolist() == [9, 15]  # sky, bicycle move up
    assert table[[34, 255]].tolist() == [IGNORE] * 2
    assert table[[35, 100, 254]].tolist() == [UNKNOWN] * 3


def test_train_ids_of_the_19_classes_map_into_a_smaller_set() -> None:
    table = table_of(TRAIN_IDS, class_set("carla-camvid-9"))
    assert table[[0, 3, 13, 255, 19]].tolist() == [0, IGNORE, 8, IGNORE, UNKNOWN]


def test_an_id_table_follows_its_dict() -> None:
    table = id_table({5: "sky", 7: "ignore", 9: "bus"}, class_set("carla-camvid-9"))
    assert table.dtype == np.uint8
    assert table[[5, 7, 9, 6]].tolist() == [7, IGNORE, IGNORE, UNKNOWN]


def test_a_label_is_shown_in_its_colours_and_ignored_pixels_are_black() -> None:
    colour_HW3 = colour_label(np.array([[0, 10, IGNORE]], dtype=np.uint8), CITYSCAPES_19)
    assert colour_HW3.tolist() == [[[128, 64, 128], [70, 130, 180], [0, 0, 0]]]
    assert colour_HW3.dtype == np.uint8


def test_a_class_set_of_ones_own_keeps_its_order_and_the_colours() -> None:
    classes = class_set({"flat": ["sidewalk", "road"]})
    assert (classes.name, classes.names) == ("flat", ("sidewalk", "road"))
    assert classes.palette == ((244, 35, 232), (128, 64, 128))


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"a": ["road", "sky"], "b": ["road", "sky"]}, "one name with a list of the 19 classes"),
        ({"synthia-16": ["road", "sky"]}, "'synthia-16' is a known one"),
        ({"one": ["road"]}, "needs two or more classes"),
        ({"twice": ["road", "road"]}, "none of them twice"),
        ({"text": "road"}, "needs a list of classes"),
        ({"cats": ["road", "cat"]}, "class 'cat' is not in the class set cityscapes-19"),
    ],
)
def test_a_class_set_that_cannot_be_is_refused(wrong: dict, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        class_set(wrong)
