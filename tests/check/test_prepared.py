"""Files that are new, removed or changed since `prepare` are named, and what to run."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.check import changed_files
from pipeline.common.labels import CITYSCAPES_19
from pipeline.datasets.prepare import prepare
from pipeline.params import Data

RUN = "run `dvc repro -f prepare`"


def pair(folder: Path, name: str, seed: int) -> None:
    image_HW3 = np.random.default_rng(seed).integers(0, 255, (16, 16, 3), np.uint8)
    for kind, picture in (("images", image_HW3), ("labels", np.full((16, 16), 7, np.uint8))):
        (folder / kind).mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture).save(folder / kind / f"{name}.png")


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Data:
    """Three prepared folders of two pairs each; their files are an hour old."""
    monkeypatch.chdir(tmp_path)
    splits = {}
    for seed, name in enumerate(("source", "target", "evaluation")):
        for number in range(2):
            pair(Path(name), f"{number}", 10 * seed + number)
        splits[name] = {"layout": "folder", "root": name, "class_map": {7: "road"}}
    old = Path("source/images/0.png").stat().st_mtime_ns - 3600 * 10**9
    for path in tmp_path.rglob("*.png"):
        os.utime(path, ns=(old, old))
    data = Data.model_validate({"size": [16, 16], **splits})
    prepare(data, 1, CITYSCAPES_19, workers=1, progress=False)
    return data


def changed_byte(path: Path) -> bytes:
    content = bytearray(path.read_bytes())
    content[-20] ^= 1
    return bytes(content)


def test_files_as_prepared_are_nothing_to_say(data: Data) -> None:
    assert changed_files(data) == []


@pytest.mark.parametrize(("split", "kind"), [("source", "labels"), ("target", "images"), ("target", "labels")])
def test_a_file_of_as_many_bytes_is_changed(data: Data, split: str, kind: str) -> None:
    path = Path(split, kind, "0.png")
    path.write_bytes(changed_byte(path))
    assert changed_files(data) == [f"data.{split}: 1 changed ({path}): {RUN}"]


def test_a_file_of_another_size_is_changed_also_where_its_time_is_set_back(data: Data) -> None:
    path = Path("evaluation/labels/1.png")
    before = path.stat().st_mtime_ns
    path.write_bytes(path.read_bytes() + b"0")
    os.utime(path, ns=(before, before))
    assert changed_files(data) == [f"data.evaluation: 1 changed ({path}): {RUN}"]


def test_another_time_alone_is_no_change(data: Data) -> None:
    for path in Path("source").rglob("*.png"):
        os.utime(path)
    assert changed_files(data) == []


def test_new_and_removed_files_are_counted_and_three_are_named(data: Data) -> None:
    pair(Path("source"), "2", 99)
    Path("source/images/0.png").unlink()
    Path("source/labels/0.png").unlink()
    (line,) = changed_files(data)
    assert line == (
        "data.source: 2 new, 2 removed (source/images/2.png, source/labels/2.png, source/images/0.png, …): " + RUN
    )


def test_a_target_label_without_an_image_is_nothing_that_prepare_reads(data: Data) -> None:
    Image.new("L", (16, 16), 7).save("target/labels/9.png")
    assert changed_files(data) == []


def test_without_times_sizes_and_names_are_compared(data: Data) -> None:
    for path in Path(".roundabout/prepared").iterdir():
        path.unlink()
    path = Path("source/images/0.png")
    path.write_bytes(path.read_bytes() + b"0")
    assert changed_files(data) == [f"data.source: 1 changed ({path}): {RUN}"]


def test_a_split_that_lies_elsewhere_now_or_is_not_prepared_is_left_to_dvc(data: Data) -> None:
    Path("source").rename("moved")
    moved = data.model_copy(update={"source": data.source.model_copy(update={"root": "moved"})})
    assert changed_files(moved) == []
    Path("data/prepared/evaluation/manifest.jsonl").unlink()
    pair(Path("evaluation"), "new", 5)
    assert changed_files(moved) == []
