"""The layout `gta5` as the archives unpack it."""

import operator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.common.labels import CITYSCAPES_19
from pipeline.datasets.entries import DataError, entries, label_table
from pipeline.datasets.index import index_split
from pipeline.datasets.loading import SplitLabels
from pipeline.datasets.manifest import Manifest
from pipeline.params import Gta5Split


def published(root: Path, *numbers: int) -> Path:
    for kind in ("images", "labels"):
        (root / kind).mkdir(parents=True, exist_ok=True)
        for number in numbers:
            (root / kind / f"{number:05}.png").touch()
    return root


def split(root: Path, **other) -> Gta5Split:
    return Gta5Split(layout="gta5", root=str(root), **other)


def test_pairs_and_take(tmp_path):
    published(tmp_path, 1, 2, 3, 4)
    first = next(entries(split(tmp_path)))
    assert first == ("00001", tmp_path / "images/00001.png", tmp_path / "labels/00001.png")
    assert [entry.id for entry in entries(split(tmp_path, take=(1, 3)))] == ["00002", "00003"]


def test_the_two_pairs_published_with_labels_of_another_size_are_left_out(tmp_path):
    listing = entries(split(published(tmp_path, 15187, 15188, 15189, 17705, 17706)))
    assert operator.length_hint(listing) == 5
    assert [entry.id for entry in listing] == ["15187", "15189", "17706"]


@pytest.mark.parametrize("missing", ["images", "labels"])
def test_wrong_root_names_what_is_missing(tmp_path, missing):
    published(tmp_path, 1)
    (tmp_path / missing).rename(tmp_path / "other")
    with pytest.raises(DataError, match=rf"looked for the folder {missing}/ there; \S+ holds .*other/.*images/ and"):
        entries(split(tmp_path))


def test_palette_labels_are_read_by_index_and_odd_sizes_are_fine_where_both_agree(tmp_path):
    published(tmp_path, 1, 2)
    for number, shape in ((1, (20, 40)), (2, (22, 44))):
        Image.fromarray(np.zeros((*shape, 3), np.uint8)).save(tmp_path / f"images/{number:05}.png")
        label = Image.fromarray(np.full(shape, 7, np.uint8))
        label.putpalette([200] * 768)  # every colour the same: whoever reads colours sees one id
        label.paste(26, (0, 0, 4, 4))
        label.save(tmp_path / f"labels/{number:05}.png")
    assert Image.open(tmp_path / "labels/00001.png").mode == "P"
    table = label_table(split(tmp_path), CITYSCAPES_19)
    destination = tmp_path / "manifest.jsonl"
    problems = index_split(
        entries(split(tmp_path)), table, destination, needs_labels=True, crop=None, workers=2, progress=False
    )
    assert problems == []
    label_HW = SplitLabels(Manifest(destination), crop=None, size=None, table=table).label(1)
    assert label_HW.shape == (22, 44)
    assert label_HW[0, 0] == CITYSCAPES_19.index("car")
    assert label_HW[21, 43] == CITYSCAPES_19.index("road")


def test_labels_of_a_converter_are_passed_over_or_taken(tmp_path):
    published(tmp_path, 1, 2)
    for number in (1, 2):
        (tmp_path / f"labels/{number:05}_labelTrainIds.png").touch()
    assert [entry.label.name for entry in entries(split(tmp_path))] == ["00001.png", "00002.png"]
    taken = split(tmp_path, label_ids="cityscapes-19")
    assert [entry.label.name for entry in entries(taken)] == ["00001_labelTrainIds.png", "00002_labelTrainIds.png"]
    assert [entry.id for entry in entries(taken)] == ["00001", "00002"]
    for number in (1, 2):
        (tmp_path / f"labels/{number:05}.png").unlink()
    with pytest.raises(DataError, match=r"labels: holds \*_labelTrainIds.png only; say label_ids: cityscapes-19"):
        entries(split(tmp_path))


def test_train_ids_under_the_published_names_are_told_from_gta5_s_own(tmp_path):
    published(tmp_path, 1)
    Image.fromarray(np.zeros((20, 40, 3), np.uint8)).save(tmp_path / "images/00001.png")
    Image.fromarray(np.array([[0] * 40] * 19 + [[255] * 40], np.uint8)).save(tmp_path / "labels/00001.png")

    def problems(given: Gta5Split) -> list:
        table = label_table(given, CITYSCAPES_19)
        out = tmp_path / "m.jsonl"
        return index_split(entries(given), table, out, needs_labels=True, crop=None, workers=1, progress=False)

    (problem,) = problems(split(tmp_path))
    assert (
        "are these train ids? cityscapes, gta5, nthu, synscapes and synthia take them with label_ids:"
        in problem.message
    )
    assert problems(split(tmp_path, label_ids="cityscapes-19")) == []
