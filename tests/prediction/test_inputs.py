"""What people hand to predict: a file, a list, frames, a video."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from pipeline.common.errors import ReadableError
from pipeline.prediction.pictures import Picture, file_pictures, folder_pictures


def draw(*paths: Path) -> None:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (4, 4)).save(path)


def test_one_file_is_a_folder_of_one(tmp_path: Path) -> None:
    draw(tmp_path / "straße.png", tmp_path / "other.png")
    pictures = file_pictures(tmp_path / "straße.png")
    assert list(pictures) == [Picture(tmp_path / "straße.png", "straße.png", None)]


def test_frames_come_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    draw(*(tmp_path / f"frame{number}.jpg" for number in (10, 2, 1)))
    names = [picture.name for picture in folder_pictures(tmp_path, tmp_path / "out")]
    assert names == ["frame1.png", "frame2.png", "frame10.png"]


def test_a_list_names_files_from_its_folder_or_from_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    draw(tmp_path / "data" / "a b.png", tmp_path / "data" / "sub" / "c.jpg", tmp_path / "d.png")
    lines = ["\ufeff# from somewhere", "", "a b.png", "data/sub/c.jpg labels/c.png", str(tmp_path / "d.png"), "a b.png"]
    (tmp_path / "data" / "list.txt").write_text("\n".join(lines), encoding="utf-8")
    pictures = file_pictures(Path("data/list.txt"))
    assert [(picture.path, picture.name) for picture in pictures] == [
        (tmp_path / "d.png", "d.png"),
        (tmp_path / "data" / "a b.png", "data/a b.png"),
        (tmp_path / "data" / "sub" / "c.jpg", "data/sub/c.png"),
    ]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("drive.mp4", b"", r"is a video; write its frames into a folder first: .*ffmpeg"),
        ("notes.pdf", b"", "is neither an image nor a list of images"),
        ("list.txt", b"# nothing\n", "names no image"),
        ("list.txt", b"none.png\n", r"1 of 1 lines name no file, .*'none\.png'"),
        ("list.txt", b"\xff\xfe\x00", "is not a text file"),
    ],
)
def test_what_is_no_image(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ReadableError, match=message):
        file_pictures(tmp_path / name)


def test_a_folder_of_a_video(tmp_path: Path) -> None:
    (tmp_path / "drive.MP4").touch()
    with pytest.raises(ReadableError, match=r"holds no image .*, but a video \(drive\.MP4\); write its frames"):
        folder_pictures(tmp_path, tmp_path / "out")
