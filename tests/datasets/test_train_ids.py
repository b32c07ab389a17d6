"""Train ids under the names of label ids are refused; whatever Cityscapes publishes is not."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.common.labels import CITYSCAPES_19, CITYSCAPES_ID_TO_TRAIN_ID
from pipeline.datasets.entries import entries, label_table
from pipeline.datasets.index import index_split
from pipeline.datasets.loading import SplitLabels
from pipeline.datasets.manifest import Manifest
from pipeline.params import CityscapesSplit, FolderSplit, Gta5Split, NthuSplit, SynscapesSplit

SCENE = np.array(
    [[23] * 8, [21] * 8, [11] * 8, [26, 26, 8, 8, 7, 7, 7, 7], [7] * 8, [7] * 8, [1] * 8, [0] * 8], np.uint8
)
"""Label ids: sky, vegetation, building, car, sidewalk, road; the own car below, and unlabelled."""
TRAIN = np.full(256, 255, np.uint8)
TRAIN[list(CITYSCAPES_ID_TO_TRAIN_ID)] = list(CITYSCAPES_ID_TO_TRAIN_ID.values())


def save(path: Path, array: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path)


def split_of(layout: str, root: Path, labels: list[np.ndarray], **settings):
    """A split of the layout, with an image for each label."""
    names = {
        "cityscapes": ("leftImg8bit/val/x/{}_leftImg8bit.png", "gtFine/val/x/{}_gtFine_labelIds.png"),
        "synscapes": ("img/rgb/{}.png", "img/class/{}.png"),
        "nthu": ("Rome/Images/Test/{}.png", "Rome/Labels/Test/{}_eval.png"),
        "gta5": ("images/{:05}.png", "labels/{:05}.png"),
        "folder": ("images/{}.png", "labels/{}.png"),
    }[layout]
    for number, label in enumerate(labels, start=1):
        save(root / names[0].format(number), np.full((*label.shape, 3), number, np.uint8))
        save(root / names[1].format(number), label)
    kind = {
        "cityscapes": CityscapesSplit, "synscapes": SynscapesSplit, "nthu": NthuSplit, "gta5": Gta5Split,
        "folder": FolderSplit,
    }[layout]  # fmt: skip
    more = {"cityscapes": {"split": "val"}, "nthu": {"city": "Rome", "split": "test"}}.get(layout, {})
    return kind(layout=layout, root=str(root), **more, **settings)


def problems(split, root: Path) -> list:
    table, out = label_table(split, CITYSCAPES_19), root / "m.jsonl"
    return index_split(entries(split), table, out, needs_labels=True, crop=None, workers=1, progress=False)


LAYOUTS = ("cityscapes", "synscapes", "nthu", "gta5")


@pytest.mark.parametrize("layout", LAYOUTS)
def test_train_ids_under_published_names_are_refused_and_read_with_label_ids(tmp_path, layout):
    split = split_of(layout, tmp_path, [TRAIN[SCENE]] * 2)
    found = problems(split, tmp_path)
    assert len(found) == 2
    assert all("are these train ids" in problem.message for problem in found)
    assert all("label_ids: cityscapes-19" in problem.message for problem in found)
    reread = split.model_copy(update={"label_ids": "cityscapes-19"})
    assert problems(reread, tmp_path) == []
    table = label_table(reread, CITYSCAPES_19)
    label_HW = SplitLabels(Manifest(tmp_path / "m.jsonl"), crop=None, size=None, table=table).label(0)
    assert np.array_equal(label_HW, TRAIN[SCENE])


@pytest.mark.parametrize("layout", LAYOUTS)
def test_train_ids_of_scenes_in_which_nothing_is_ignored_are_refused_together(tmp_path, layout):
    whole = TRAIN[SCENE[:6]]
    assert 255 not in whole
    (found,) = problems(split_of(layout, tmp_path, [whole] * 10), tmp_path)
    assert "and 9 others: holds the ids 0, 1, 2, 8, 10, 13" in found.message
    assert "are these train ids" in found.message


def test_one_file_that_a_converter_has_overwritten_is_named(tmp_path):
    split = split_of("cityscapes", tmp_path, [SCENE, TRAIN[SCENE], SCENE])
    (found,) = problems(split, tmp_path)
    assert found.path.endswith("2_gtFine_labelIds.png")


def test_a_map_of_one_s_own_with_cityscapes_ids_is_looked_at_too(tmp_path):
    class_map = dict.fromkeys((*range(34), 255), "ignore")
    class_map |= {identity: CITYSCAPES_19.names[train] for identity, train in CITYSCAPES_ID_TO_TRAIN_ID.items()}
    split = split_of("folder", tmp_path, [TRAIN[SCENE]], class_map=class_map)
    (found,) = problems(split, tmp_path)
    assert "class_map: cityscapes-19" in found.message


PLATE = SCENE.copy()
PLATE[3, 0] = 255
WALL = np.array([[12] * 8, [11] * 8, [7] * 8, [3] * 8], np.uint8)
VOID = np.array([[0] * 8, [0] * 8, [0] * 8, [7, 4, 5, 6, 1, 2, 3, 11]], np.uint8)
TRAM = np.array([[0] * 8, [10] * 8, [31] * 8, [7] * 8], np.uint8)
LOWER_HALF = SCENE[3:]


@pytest.mark.parametrize(
    "labels",
    [
        [SCENE] * 12,
        [SCENE],
        [PLATE] * 12,
        [WALL] * 12,
        [WALL],
        [VOID],
        [TRAM] * 12,
        [LOWER_HALF] * 12,
        [SCENE, WALL, VOID],
    ],
    ids=["scenes", "one scene", "number plates", "walls", "a wall", "void", "trams", "lower halves", "mixed"],
)
@pytest.mark.parametrize("layout", ["cityscapes", "synscapes", "nthu"])
def test_label_ids_are_never_refused(tmp_path, layout, labels):
    assert problems(split_of(layout, tmp_path, labels), tmp_path) == []


def test_converted_labels_beside_the_published_ones_are_read_where_they_are_asked_for(tmp_path):
    split = split_of("cityscapes", tmp_path, [SCENE])
    save(tmp_path / "gtFine/val/x/1_gtFine_labelTrainIds.png", TRAIN[SCENE])
    assert [entry.label.name for entry in entries(split)] == ["1_gtFine_labelIds.png"]
    converted = split.model_copy(update={"label_ids": "cityscapes-19"})
    assert [(entry.id, entry.label.name) for entry in entries(converted)] == [("1", "1_gtFine_labelTrainIds.png")]
    assert problems(converted, tmp_path) == []
