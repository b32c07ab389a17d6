"""What systems leave among images is passed over and counted; links that point nowhere are named in every split."""

import numpy as np
import pytest

from pipeline.datasets.entries import entries
from pipeline.datasets.prepare import prepare
from pipeline.datasets.problems import DataError
from pipeline.datasets.walking import passed_over
from pipeline.params import Data
from tests.datasets.own_data import CLASSES, OwnData, encoded


@pytest.fixture
def data(tmp_path) -> OwnData:
    data = OwnData(tmp_path, labels=None)
    data.image("a.JPG", encoded(np.zeros((8, 16, 3), np.uint8), "JPEG"))
    return data


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("@eaDir/a.JPG/SYNOPHOTO_THUMB_M.jpg", "folder @eaDir"),
        ("rome/@eaDir/a.JPG/SYNOPHOTO_THUMB_M.jpg", "folder @eaDir"),
        (".@__thumb/a.jpg", "hidden folder"),
        ("#recycle/old.jpg", "folder #recycle"),
        ("$RECYCLE.BIN/$R1.jpg", "folder $RECYCLE.BIN"),
        ("__MACOSX/a.jpg", "folder __MACOSX"),
        ("lost+found/a.jpg", "folder lost+found"),
        ("System Volume Information/a.jpg", "folder System Volume Information"),
        (".ipynb_checkpoints/a-checkpoint.png", "hidden folder"),
        (".thumbnails/a.png", "hidden folder"),
        ("@Recycle/a.png", "folder @Recycle"),
        ("._a.JPG", "hidden file"),
        ("b.HEIC", ".heic file (a kind that is not read)"),
        ("b.gif", ".gif file (a kind that is not read)"),
    ],
)
def test_what_is_no_image_of_the_set_is_passed_over_and_counted(data, name, what):
    data.image(name)
    for other in ("Thumbs.db", "desktop.ini", ".DS_Store", "notes.txt"):
        data.image(other)
    with passed_over() as counter:
        assert [entry.id for entry in entries(data.split)] == ["a"]
    assert counter == {what: 1}


def test_nothing_is_counted_outside(data):
    data.image("@eaDir/a.jpg")
    with passed_over() as counter:
        pass
    assert [entry.id for entry in entries(data.split)] == ["a"]
    assert counter == {}


def test_a_link_to_a_folder_that_is_gone_is_an_error(data):
    (data.root / "images" / "rome").symlink_to(data.root / "gone")
    with pytest.raises(DataError, match=r"images/rome: is a link to \S+/gone, where there is nothing"):
        entries(data.split)


def test_a_link_in_a_circle_is_named(data):
    (data.root / "images" / "b.png").symlink_to("b.png")
    assert "b.png: cannot be read (Too many levels of symbolic links)" in data.problem(needs_labels=False)


def three_splits(tmp_path, monkeypatch) -> Data:
    monkeypatch.chdir(tmp_path)
    for number, name in enumerate(("source", "target", "evaluation")):
        own = OwnData(tmp_path / name)
        for index in range(3):
            own.image(f"{index}.png", encoded(np.full((8, 16, 3), 50 * number + index, np.uint8)))
            own.label(f"{index}.png")
    common = {"layout": "folder", "class_map": {0: "road"}}
    return Data.model_validate(
        {
            "size": [16, 16],
            **{name: {**common, "root": name} for name in ("source", "target", "evaluation")},
            "target": {**common, "root": "target"},
        }
    )


@pytest.mark.parametrize("split", ["source", "target", "evaluation"])
@pytest.mark.parametrize("kind", ["images", "labels"])
def test_every_listed_file_that_is_not_there_is_named_in_every_split(tmp_path, monkeypatch, split, kind):
    data = three_splits(tmp_path, monkeypatch)
    for index in (0, 2):
        path = tmp_path / split / kind / f"{index}.png"
        path.unlink()
        path.symlink_to(f"/nowhere/{index}.png")
    with pytest.raises(DataError) as raised:
        prepare(data, 1, CLASSES, workers=1, progress=False)
    lines = [line for line in str(raised.value).splitlines() if line.startswith("  - ")]
    assert [line.partition(":")[0] for line in lines] == [f"  - {split}/{kind}/{index}.png" for index in (0, 2)]
    assert all("is a link to /nowhere/" in line for line in lines)


def test_a_folder_by_the_name_of_an_image_is_named(tmp_path, monkeypatch):
    data = three_splits(tmp_path, monkeypatch)
    (tmp_path / "target/images/1.png").unlink()
    (tmp_path / "target/images/1.png").mkdir()
    with pytest.raises(DataError, match=r"target/images/1.png: cannot be read \(Is a directory\)"):
        prepare(data, 1, CLASSES, workers=1, progress=False)


def prepared(data: Data) -> list[str]:
    """What `prepare` says."""
    said: list[str] = []
    prepare(data, 1, CLASSES, workers=1, progress=False, say=said.append)
    return said


def test_a_target_labelled_in_part_is_counted(tmp_path, monkeypatch):
    data = three_splits(tmp_path, monkeypatch)
    (tmp_path / "target/labels/0.png").unlink()
    (tmp_path / "target/images/2.png").unlink()
    assert prepared(data) == [
        "data.target: 1 image: missing of which there is a label (do names differ? layout folder: image_ending,"
        " label_ending)",
        "data.target: 1 image: without a label, which only adaptation sees",
    ]


def test_a_target_whose_labels_have_other_names_is_not_silently_unlabelled(tmp_path, monkeypatch):
    data = three_splits(tmp_path, monkeypatch)
    for path in list((tmp_path / "target/labels").iterdir()):
        path.rename(path.with_name(f"{path.stem}_mask.png"))
    assert prepared(data) == [
        "data.target: 3 images: missing of which there is a label (do names differ? layout folder: image_ending,"
        " label_ending)"
    ]


def test_prepare_says_what_it_leaves_out(tmp_path, monkeypatch):
    data = three_splits(tmp_path, monkeypatch)
    alpha = encoded(np.full((8, 16, 4), 90, np.uint8))
    (tmp_path / "target/images/1.png").write_bytes(alpha)
    (tmp_path / "source/images/@eaDir").mkdir()
    (tmp_path / "source/labels/1_color.png").write_bytes(alpha)
    assert prepared(data) == [
        "data.source: passed over 1 × folder @eaDir, 1 × picture beside a label (_color, _instance, …)",
        "data.target: 1 image: alpha (transparency) is left out",
    ]
