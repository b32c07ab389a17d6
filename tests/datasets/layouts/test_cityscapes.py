"""The layout `cityscapes` as the archives unpack it."""

from pathlib import Path

import pytest

from pipeline.common.labels import CITYSCAPES_19, CLASS_SETS, IGNORE, UNKNOWN
from pipeline.datasets.entries import DataError, entries, label_table
from pipeline.params import CityscapesSplit

STEMS = ("aachen_000000_000019", "aachen_000001_000019", "bochum_000000_000313")


def published(root: Path, split: str, stems: tuple[str, ...] = STEMS) -> Path:
    for stem in stems:
        city = stem.split("_")[0]
        files = [f"leftImg8bit/{split}/{city}/{stem}_leftImg8bit.png"]
        files += [f"gtFine/{split}/{city}/{stem}_gtFine_{kind}.png" for kind in ("labelIds", "color", "instanceIds")]
        for name in files:
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).touch()
    return root


def split(root: Path, name: str = "train") -> CityscapesSplit:
    return CityscapesSplit(layout="cityscapes", root=str(root), split=name)


def test_stems_are_ids_and_label_ids_are_the_labels(tmp_path):
    found = list(entries(split(published(tmp_path, "train"))))
    assert [entry.id for entry in found] == list(STEMS)
    assert found[2].image == tmp_path / "leftImg8bit/train/bochum/bochum_000000_000313_leftImg8bit.png"
    assert found[2].label == tmp_path / "gtFine/train/bochum/bochum_000000_000313_gtFine_labelIds.png"


def test_endings_of_either_case_are_paired(tmp_path):
    published(tmp_path, "train")
    for path in [*tmp_path.rglob("*000019_leftImg8bit.png"), *tmp_path.rglob("*000313_gtFine_labelIds.png")]:
        path.rename(path.with_suffix(".PNG"))
    found = list(entries(split(tmp_path)))
    assert [entry.id for entry in found] == list(STEMS)
    assert all(entry.image.exists() and entry.label.exists() for entry in found)


def test_test_split_has_no_labels_though_the_archive_holds_placeholders(tmp_path):
    assert [entry.label for entry in entries(split(published(tmp_path, "test"), "test"))] == [None] * 3


def test_missing_files_of_either_kind(tmp_path):
    published(tmp_path, "val")
    (tmp_path / "gtFine/val/aachen/aachen_000001_000019_gtFine_labelIds.png").unlink()
    image = tmp_path / "leftImg8bit/val/bochum/bochum_000000_000313_leftImg8bit.png"
    image.unlink()
    found = list(entries(split(tmp_path, "val")))
    assert found[1].label is None
    assert found[2].image == image
    assert found[2].label is not None


def test_images_alone_are_enough_for_a_target(tmp_path):
    published(tmp_path, "train")
    (tmp_path / "gtFine").rename(tmp_path / "elsewhere")
    assert [entry.label for entry in entries(split(tmp_path))] == [None] * 3


def test_wrong_root_names_both_folders(tmp_path):
    published(tmp_path, "train")
    with pytest.raises(DataError, match=r"looked for the folder leftImg8bit/train/ .* holds train/.*leftImg8bit/ and"):
        entries(split(tmp_path / "leftImg8bit"))
    with pytest.raises(DataError, match=r"leftImg8bit/val/ there; \S+leftImg8bit holds train/"):
        entries(split(tmp_path, "val"))


def test_no_images(tmp_path):
    (tmp_path / "leftImg8bit/train").mkdir(parents=True)
    with pytest.raises(DataError, match=r"holds no CITY/\*_leftImg8bit.png"):
        entries(split(tmp_path))


def test_label_table(tmp_path):
    table = label_table(split(tmp_path), CITYSCAPES_19)
    assert [table[identity] for identity in (7, 8, 33, 0, 6, 34, 35, 77, 255)] == [
        *(0, 1, 18), IGNORE, IGNORE, IGNORE, UNKNOWN, UNKNOWN, IGNORE,
    ]  # fmt: skip
    assert label_table(split(tmp_path), CLASS_SETS["synthia-16"])[22] == IGNORE  # terrain is none of the 16
