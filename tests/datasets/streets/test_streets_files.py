"""Drawing a split into files."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image

from pipeline.common.labels import CITYSCAPES_19, CLASS_SETS
from pipeline.params import StreetsSplit

streets_files = pytest.importorskip("pipeline.datasets.streets.files")


def fake_draw(domain, seed, index, height, width):
    image_HW3 = np.full((height, width, 3), index, np.uint8)
    label_HW = np.full((height, width), 255, np.uint8)
    label_HW[0] = seed
    label_HW[1] = {"source": 2, "target": 9}[domain]
    return image_HW3, label_HW


@pytest.fixture
def drawn_here(monkeypatch):
    """Scenes that are drawn in this process by fake_draw."""
    monkeypatch.setattr(streets_files.draw, "draw", fake_draw)
    monkeypatch.setattr(streets_files, "ProcessPoolExecutor", ThreadPoolExecutor)


def split(**other) -> StreetsSplit:
    return StreetsSplit(
        layout="streets", **({"domain": "target", "images": 3, "first": 40, "draw_size": (32, 64)} | other)
    )


def test_files_are_named_by_scene_and_hold_train_ids(tmp_path, drawn_here):
    streets_files.write_streets(split(), 5, tmp_path / "target", CITYSCAPES_19, progress=False)
    found = list(streets_files.streets_entries(tmp_path / "target"))
    assert [entry.id for entry in found] == ["000040", "000041", "000042"]
    image = Image.open(found[1].image)
    assert (image.mode, image.size, image.getpixel((0, 0))) == ("RGB", (64, 32), (41, 41, 41))
    label = Image.open(found[1].label)
    assert label.mode == "P"
    assert np.asarray(label)[:3, 0].tolist() == [5, 9, 255]
    assert label.convert("RGB").getpixel((0, 0)) == CITYSCAPES_19.palette[5]
    assert not list((tmp_path / "target").rglob("*.part"))


def test_palette_leaves_absent_classes_black(tmp_path, drawn_here):
    streets_files.write_streets(split(), 5, tmp_path, CLASS_SETS["synthia-16"], progress=False)
    colours = Image.open(tmp_path / "labels/000040.png").convert("RGB")
    assert colours.getpixel((0, 0)) == CITYSCAPES_19.palette[5]
    assert colours.getpixel((0, 1)) == (0, 0, 0)  # terrain


def test_scenes_of_an_earlier_run_are_removed(tmp_path, drawn_here):
    streets_files.write_streets(split(), 5, tmp_path, CITYSCAPES_19, progress=False)
    streets_files.write_streets(split(first=41, images=1, domain="source"), 5, tmp_path, CITYSCAPES_19, progress=False)
    found = list(streets_files.streets_entries(tmp_path))
    assert [entry.id for entry in found] == ["000041"]
    assert np.asarray(Image.open(found[0].label))[1, 0] == 2  # drawn anew, not skipped


def test_folder_without_scenes_says_what_to_run(tmp_path):
    with pytest.raises(ValueError, match=r"looked for the folder images/ .*Draw them with `dvc repro prepare`"):
        streets_files.streets_entries(tmp_path)


def test_real_scenes_from_two_processes_are_those_of_one(tmp_path):
    streets_files.write_streets(split(images=2, draw_size=(32, 64)), 1, tmp_path, CITYSCAPES_19, progress=False)
    image_HW3, label_HW = streets_files.draw.draw("target", 1, 41, 32, 64)
    entry = list(streets_files.streets_entries(tmp_path))[1]
    assert np.array_equal(np.asarray(Image.open(entry.image)), image_HW3)
    assert np.array_equal(np.asarray(Image.open(entry.label)), label_HW)
