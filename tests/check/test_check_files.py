"""`check` opens some files of each split and says what `prepare` would refuse, and what is perhaps not meant."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.check import look_at_files
from pipeline.check.files import SAMPLE
from pipeline.common.labels import CITYSCAPES_19
from pipeline.params import Data
from tests.datasets.own_data import png_of_16_bits

CLASSES = CITYSCAPES_19.subset("two", ("road", "sky"))


def save(path: Path, picture: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture).save(path)


def folder(name: str, images: int = 2, height: int = 16, width: int = 32) -> dict:
    seed = sum(name.encode())
    for number in range(images):
        image_HW3 = np.random.default_rng((seed, number)).integers(0, 255, (height, width, 3), np.uint8)
        label_HW = np.full((height, width), 1, np.uint8)
        label_HW[: height // 2] = 2
        save(Path(name, "images", f"{number:03}.png"), image_HW3)
        save(Path(name, "labels", f"{number:03}.png"), label_HW)
    return {"layout": "folder", "root": name, "class_map": {0: "ignore", 1: "road", 2: "sky"}}


@pytest.fixture(autouse=True)
def splits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict:
    monkeypatch.chdir(tmp_path)
    return {name: folder(name) for name in ("source", "target", "evaluation")}


def look(splits: dict, size: tuple[int, int] = (16, 32)):
    return look_at_files(Data.model_validate({"size": list(size), **splits}), CLASSES)


def test_sound_files_are_nothing_to_say(splits: dict) -> None:
    assert look(splits) == ([], [])


def test_a_label_that_prepare_refuses_is_a_problem(splits: dict) -> None:
    save(Path("source/labels/001.png"), np.full((16, 32), 7, np.uint8))
    Path("evaluation/labels/000.png").write_bytes(b"GIF89a")
    problems, _ = look(splits)
    assert [problem.split(": ")[:2] for problem in problems] == [
        ["data.source", "source/labels/001.png"],
        ["data.evaluation", "evaluation/labels/000.png"],
    ]
    assert "holds id 7 (512 pixels)" in problems[0]


def test_sixteen_bits_are_read_as_the_split_says(splits: dict) -> None:
    for path in Path("source/images").iterdir():
        path.write_bytes(png_of_16_bits(np.full((16, 32, 1), 2000, np.uint16)))
    problems, _ = look(splits)
    assert len(problems) == 2 and "16 bits" in problems[0]
    splits["source"] |= {"depth": 16, "range": [0, 4095]}
    assert look(splits).problems == []


def test_a_label_in_colours_is_a_problem(splits: dict) -> None:
    colours_HW3 = np.random.default_rng(0).integers(0, 255, (16, 32, 3), np.uint8)
    save(Path("source/labels/000.png"), colours_HW3)
    ((problem,), _) = look(splits)
    assert problem.startswith("data.source: source/labels/000.png: ")


def test_a_target_label_is_looked_at_where_there_is_one(splits: dict) -> None:
    save(Path("target/labels/001.png"), np.full((16, 32), 9, np.uint8))
    Path("target/labels/000.png").unlink()
    ((problem,), _) = look(splits)
    assert problem.startswith("data.target: target/labels/001.png: holds id 9")


def test_a_stretch_is_told_with_the_param_to_change(splits: dict) -> None:
    splits["target"] = folder("target", height=200, width=300)
    _, notes = look(splits, (128, 512))
    (note,) = [note for note in notes if note.startswith("data.target")]
    assert "is 200 high and 300 wide, and [128, 512] stretches it by 2.7; change data.size" in note
    splits["target"] |= {"size": [200, 300]}
    assert not any(note.startswith("data.target") for note in look(splits, (128, 512)).notes)


def test_a_crop_has_the_shape_that_counts(splits: dict) -> None:
    splits["target"] = folder("target", height=64, width=32) | {"crop": [24, 0, 16, 32]}
    assert look(splits).notes == []


def test_classes_that_no_label_holds_and_labels_of_almost_nothing(splits: dict) -> None:
    for number in range(2):
        save(Path(f"source/labels/00{number}.png"), np.full((16, 32), number, np.uint8))
    _, notes = look(splits)
    assert notes == [
        "data.source: of 1 of 2 labels less than 1 % is of a class (source/labels/000.png)",
        "data.source: none of its labels holds sky, which its ids could mean",
    ]


def test_an_image_that_is_in_source_and_evaluation(splits: dict) -> None:
    Path("evaluation/images/001.png").write_bytes(Path("source/images/000.png").read_bytes())
    _, notes = look(splits)
    assert notes == [
        "data.evaluation: evaluation/images/001.png is in data.source, too: networks are scored on what they learn"
    ]


def test_a_sample_is_spread_over_all_files(splits: dict, monkeypatch: pytest.MonkeyPatch) -> None:
    splits["source"] = folder("source", images=45)
    opened = []
    real = Path.read_bytes
    monkeypatch.setattr(Path, "read_bytes", lambda path: opened.append(path) or real(path))
    look(splits)
    images = sorted(path.stem for path in opened if path.parts[:2] == ("source", "images"))
    assert len(images) == SAMPLE
    assert (images[0], images[1], images[-1]) == ("000", "002", "042")


def test_a_missing_folder_is_left_to_the_paths(splits: dict) -> None:
    splits["source"]["root"] = "nowhere"
    assert look(splits) == ([], [])
