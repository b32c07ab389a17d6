"""What `prepare` writes beside a manifest is all that reading needs."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.common.labels import CITYSCAPES_19, CLASS_SETS, IGNORE
from pipeline.datasets.bands import AS_THEY_ARE, ImageReading
from pipeline.datasets.decoding import Decoder
from pipeline.datasets.opening import (
    SPLIT,
    LabelFormat,
    PreparedSplit,
    content_of,
    images_of,
    labels_of,
    prepared_split,
    write_split,
)
from pipeline.datasets.prepare import prepare
from pipeline.datasets.problems import DataError
from pipeline.params import Data
from tests import published


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a prepared source; the target and the evaluation are other images."""
    monkeypatch.chdir(tmp_path)
    splits = {}
    for seed, name in enumerate(("source", "target", "evaluation")):
        published.save(published.photograph(seed, (16, 16)), tmp_path / name / "images" / "a.png")
        label_HW = np.full((16, 16), 7, np.uint8)
        label_HW[:, 8:] = 9
        published.save(Image.fromarray(label_HW), tmp_path / name / "labels" / "a.png")
        splits[name] = {"layout": "folder", "root": str(tmp_path / name), "class_map": {7: "road", 9: "terrain"}}
    splits["source"]["crop"] = (0, 0, 16, 12)
    prepare(Data.model_validate({"size": (16, 16), **splits}), 1, CITYSCAPES_19, workers=1, progress=False)
    return tmp_path / "data" / "prepared" / "source"


def test_bands_and_range_are_kept_with_a_split_and_absent_where_there_are_none(folder: Path) -> None:
    assert "reading" not in json.loads((folder / SPLIT).read_text(encoding="utf-8"))
    reading = ImageReading((3, 2, 1), None)
    write_split(folder, prepared_split("source")._replace(reading=reading))
    assert prepared_split("source").reading == reading
    before = images_of("source", (16, 12)).image(0)
    write_split(folder, prepared_split("source")._replace(reading=AS_THEY_ARE))
    assert np.array_equal(images_of("source", (16, 12)).image(0), before[..., ::-1])


def test_a_split_is_opened_from_its_folder_alone() -> None:
    assert images_of("source", (16, 24)).image(0).shape == (16, 24, 3)
    label_HW = labels_of("source", CITYSCAPES_19, None).label(0)
    assert label_HW.shape == (16, 12)
    assert sorted(np.unique(label_HW)) == [CITYSCAPES_19.index("road"), CITYSCAPES_19.index("terrain")]


def prepared_for(names: tuple[str, ...], folder: Path) -> None:
    write_split(folder, prepared_split("source")._replace(class_names=names))


def test_labels_of_classes_outside_the_set_are_ignored(folder: Path) -> None:
    classes = CLASS_SETS["synthia-16"]
    prepared_for(classes.names, folder)
    label_HW = labels_of("source", classes, None).label(0)
    assert sorted(np.unique(label_HW)) == [classes.index("road"), IGNORE]


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (CITYSCAPES_19.names[:-1], r"\(bicycle only there\)"),
        ((*CITYSCAPES_19.names[:-1], "crack"), r"\(crack only here; bicycle only there\)"),
        (CITYSCAPES_19.names[::-1], "the same classes in another order"),
    ],
)
def test_a_split_that_was_prepared_for_other_classes_is_refused(
    folder: Path, names: tuple[str, ...], words: str
) -> None:
    prepared_for(names, folder)
    with pytest.raises(DataError, match=rf"source/manifest\.jsonl: .*{words}.*run `dvc repro`"):
        labels_of("source", CITYSCAPES_19, None)


def test_a_target_tells_nothing_of_its_labels(folder: Path) -> None:
    text = (folder.parent / "target" / SPLIT).read_text(encoding="utf-8")
    assert json.loads(text)["labels"] is None


@pytest.mark.parametrize("text", [None, "", "{}", '{"version": 0}', '{"version": 1}', "[]"])
def test_what_another_version_has_prepared_is_refused(folder: Path, text: str | None) -> None:
    (folder / SPLIT).unlink()
    if text is not None:
        (folder / SPLIT).write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=r"source/split\.json: .*another version.*run `dvc repro -f prepare`"):
        images_of("source", (16, 16))
    with pytest.raises(DataError, match=r"run `dvc repro -f prepare`"):
        labels_of("source", CITYSCAPES_19, None)


def test_what_is_written_is_read(folder: Path) -> None:
    colours = Decoder("colours", {"colours": [[128, 64, 128], [0, 0, 0]]})
    split = PreparedSplit(("a", "b"), (16, 32), None, LabelFormat((0, 1, 2, 3), colours, {0: "a", 1: "ignore"}, 10))
    before = content_of("source")
    write_split(folder, split)
    assert prepared_split("source") == split
    assert content_of("source") != before
