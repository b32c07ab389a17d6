"""What prepare refuses: one test per rule, and one report that names every file."""

import hashlib
import os
import struct
import zlib
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.common.labels import CLASS_SETS
from pipeline.datasets.entries import entries, label_table
from pipeline.datasets.index import Problem, index_split, raise_on, shared_images, write_report
from pipeline.datasets.listing import Entry
from pipeline.datasets.manifest import Manifest
from pipeline.datasets.parallel import in_order
from pipeline.datasets.problems import DataError
from pipeline.params import FolderSplit

CLASSES = CLASS_SETS["carla-camvid-9"]
CAMVID = dict(enumerate((
    "sky", "building", "pole", "road", "sidewalk", "vegetation", "traffic sign", "fence", "car", "person", "bicycle",
    "ignore",
)))  # fmt: skip
CARLA = dict(enumerate((
    "ignore", "building", "fence", "ignore", "person", "pole", "road", "road", "sidewalk", "vegetation", "car", "wall",
    "traffic sign", "sky",
)))  # fmt: skip


class Pairs:
    """A folder data set of 8 × 16 pictures with ids 0 (road) and 1 (ignore)."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.split = FolderSplit(layout="folder", root=str(root), class_map={0: "road", 1: "ignore"})
        for kind in ("images", "labels"):
            (root / kind).mkdir()

    def add(self, name: str, image=None, label=None) -> None:
        noise = np.random.default_rng(len(name)).integers(0, 255, (8, 16, 3), np.uint8)
        Image.fromarray(noise if image is None else image).save(self.root / "images" / f"{name}.png")
        Image.fromarray(np.zeros((8, 16), np.uint8) if label is None else label).save(self.label(name))

    def image(self, name: str) -> Path:
        return self.root / "images" / f"{name}.png"

    def label(self, name: str) -> Path:
        return self.root / "labels" / f"{name}.png"

    def index(self, needs_labels=True, crop=None) -> list[Problem]:
        table = label_table(self.split, CLASSES)
        return index_split(
            entries(self.split), table, self.manifest, needs_labels=needs_labels, crop=crop, workers=2, progress=False
        )

    @property
    def manifest(self) -> Path:
        return self.root / "manifest" / "source.jsonl"

    def problem(self, **how) -> Problem:
        """The one problem there is."""
        problems = self.index(**how)
        assert len(problems) == 1, problems
        assert not self.manifest.exists()
        return problems[0]


@pytest.fixture
def pairs(tmp_path) -> Pairs:
    pairs = Pairs(tmp_path)
    pairs.add("good")
    return pairs


def test_sound_split_becomes_a_manifest(pairs):
    pairs.add("also")
    assert pairs.index() == []
    manifest = Manifest(pairs.manifest)
    assert list(manifest.ids()) == ["also", "good"]
    row = manifest[1]
    data = pairs.image("good").read_bytes()
    assert (row.height, row.width, row.image_bytes) == (8, 16, len(data))
    assert row.image_hash == hashlib.blake2b(data, digest_size=16).hexdigest()
    assert row.label == str(pairs.label("good"))
    assert row.label_bytes == pairs.label("good").stat().st_size
    assert not list(pairs.manifest.parent.glob("*.part"))


def test_without_labels_none_is_opened_or_written(pairs):
    pairs.label("good").write_bytes(b"private")
    pairs.label("orphan").touch()
    assert pairs.index(needs_labels=False) == []
    row = Manifest(pairs.manifest)[0]
    assert (row.label, row.label_hash, row.label_bytes) == (None, None, None)
    assert "label.png" not in pairs.manifest.read_text()
    assert "/labels/" not in pairs.manifest.read_text()


def test_image_without_label(pairs):
    pairs.add("b")
    pairs.label("b").unlink()
    problem = pairs.problem()
    assert problem.path == str(pairs.image("b"))
    assert "has no label" in problem.message


def test_label_without_image(pairs):
    pairs.add("b")
    pairs.image("b").unlink()
    problem = pairs.problem()
    assert problem.path == str(pairs.label("b"))
    assert "has no image of the same id" in problem.message


@pytest.mark.parametrize("format_", ["PNG", "JPEG", "WEBP", "BMP", "TIFF"])
def test_file_cut_in_half(pairs, format_):
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
    whole = BytesIO()
    Image.fromarray(noise).save(whole, format_)
    pairs.image("good").write_bytes(whole.getvalue()[: len(whole.getvalue()) // 2])
    problem = pairs.problem(needs_labels=False)
    assert problem.path == str(pairs.image("good"))
    assert "truncated" in problem.message


def test_progressive_jpeg_cut_in_half(pairs):
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
    whole = BytesIO()
    Image.fromarray(noise).save(whole, "JPEG", progressive=True)
    pairs.image("good").write_bytes(whole.getvalue()[: len(whole.getvalue()) // 2])
    assert "truncated" in pairs.problem(needs_labels=False).message


@pytest.mark.parametrize("missing", [1, 12, 20, 40])
def test_truncated_label_however_little_is_missing(pairs, missing):
    data = pairs.label("good").read_bytes()
    pairs.label("good").write_bytes(data[:-missing])
    problem = pairs.problem()
    assert problem.path == str(pairs.label("good"))
    assert "truncated" in problem.message


def test_no_image_and_empty_file(pairs):
    pairs.image("good").write_text("<html>not found</html>")
    assert "is not an image (BMP," in pairs.problem(needs_labels=False).message
    pairs.image("good").write_bytes(b"")
    assert pairs.problem(needs_labels=False).message == "is an empty file"


def test_sixteen_bit_image(pairs):
    Image.fromarray(np.zeros((8, 16), np.uint16)).save(pairs.image("good"))
    assert "has 16 bits a channel; save it with 8 bits" in pairs.problem().message


def test_label_of_another_size_says_both(pairs):
    pairs.add("b", label=np.zeros((16, 8), np.uint8))
    problem = pairs.problem()
    assert problem.path == str(pairs.label("b"))
    assert problem.message.startswith("is 16 high and 8 wide, its image is 8 high and 16 wide")


def test_odd_sizes_are_fine_without_a_crop_and_refused_where_it_does_not_fit(pairs):
    pairs.add("small", image=np.zeros((6, 16, 3), np.uint8), label=np.zeros((6, 16), np.uint8))
    assert pairs.index() == []
    assert pairs.index(crop=(0, 0, 6, 16)) == []
    pairs.manifest.unlink()
    problem = pairs.problem(crop=(1, 0, 6, 16))
    assert problem.path == str(pairs.image("small"))
    assert "6 high and 16 wide, and crop [1, 0, 6, 16]" in problem.message
    assert "reaches to row 7 and column 16" in problem.message


def test_ids_outside_the_map_are_counted(pairs):
    label_HW = np.ones((8, 16), np.uint8)
    label_HW[0, :5], label_HW[1, 0] = 77, 90
    pairs.add("b", label=label_HW)
    problem = pairs.problem()
    assert problem.path == str(pairs.label("b"))
    assert problem.message.startswith("holds ids 77 (5 pixels), 90 (1 pixels) that the data set does not define")


def test_ids_outside_the_crop_do_no_harm(pairs):
    label_HW = np.zeros((8, 16), np.uint8)
    label_HW[7] = 77
    pairs.add("b", label=label_HW)
    assert pairs.index(crop=(0, 0, 7, 16)) == []


def test_palette_label_is_read_by_index(pairs):
    label = Image.fromarray(np.eye(8, 16, dtype=np.uint8))
    label.putpalette([77] * 768)
    label.save(pairs.label("good"))
    assert pairs.index() == []


def test_labels_of_which_nothing_could_be_learned_are_refused(pairs):
    pairs.add("b", label=np.ones((8, 16), np.uint8))
    assert pairs.index() == []  # one label may be ignored from edge to edge
    pairs.add("good", label=np.ones((8, 16), np.uint8))
    pairs.manifest.unlink()
    problem = pairs.problem()
    assert "holds no pixel of a class (nor the 1 other labels of the split); its ids are 1" in problem.message


def test_a_name_that_is_no_utf_8_is_refused_before_anything_is_trained(pairs):
    odd = os.fsdecode(b"stra\xdfe")
    pairs.add(odd)
    problem = pairs.problem(needs_labels=False)
    assert "stra\\udcdfe.png" in problem.path and "not UTF-8" in problem.message
    with pytest.raises(DataError, match="not UTF-8"):
        raise_on([problem], pairs.root / "report.txt")


def test_a_folder_that_may_not_be_read_is_named(pairs, monkeypatch):
    def refused(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(os, "scandir", refused)
    with pytest.raises(DataError, match=r"images: cannot be listed \(Permission denied\)"):
        entries(pairs.split)


def test_the_home_of_nobody_is_an_error_of_the_data():
    with pytest.raises(DataError, match="~nosuchuser/x: there is no such user here"):
        entries(FolderSplit(layout="folder", root="~nosuchuser/x", class_map={0: "road"}))


def four_bit_grey(value: int) -> bytes:
    """A grey PNG of 8 × 16 pixels that packs two pixels in a byte, all of them ``value``."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = (b"\0" + bytes([value * 17] * 8)) * 8
    header = struct.pack(">IIBBBBB", 16, 8, 4, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("label", "says"),
    [
        (Image.new("RGB", (16, 8), (128, 64, 128)), "mode RGB that holds colours, not ids in one channel"),
        (Image.new("RGBA", (16, 8), (128, 64, 128, 255)), "mode RGBA that holds colours, not ids in one channel"),
        (Image.new("RGBA", (16, 8)), "mode RGBA with transparent pixels"),
        (Image.new("I;16", (16, 8), 256), r"is a 16-bit \(or wider\) label that holds 256"),
    ],
)
def test_labels_that_are_no_eight_bit_ids(pairs, label, says):
    label.save(pairs.label("good"))
    problem = pairs.problem()
    assert problem.path == str(pairs.label("good"))
    with pytest.raises(DataError, match=says):
        raise_on([problem])


def test_four_bit_grey_label_is_read_though_pillow_stretches_it(pairs):
    pairs.label("good").write_bytes(four_bit_grey(2))
    assert np.asarray(Image.open(pairs.label("good")))[0, 0] == 34
    assert "holds id 2 (128 pixels) that the data set does not define" in pairs.problem().message


def test_lossy_label(pairs):
    pairs.label("good").rename(pairs.root / "labels" / "good.jpg")
    Image.new("L", (16, 8)).save(pairs.root / "labels" / "good.jpg")
    assert "is a JPEG label, whose compression changes ids" in pairs.problem().message


def test_id_twice(pairs):
    Image.new("RGB", (16, 8)).save(pairs.root / "images" / "good.jpg")
    problem = pairs.problem()
    assert problem.path == str(pairs.image("good"))
    assert f"has the same id 'good' as {pairs.root / 'images' / 'good.jpg'}" in problem.message
    assert len(pairs.index(needs_labels=False)) == 1


def test_label_twice_matters_only_where_labels_do(pairs):
    Image.new("L", (16, 8)).save(pairs.root / "labels" / "good.tif")
    problem = pairs.problem()
    assert problem.path == str(pairs.root / "labels" / "good.tif")
    assert f"has the same id 'good' as {pairs.label('good')}" in problem.message
    assert pairs.index(needs_labels=False) == []
    assert len(Manifest(pairs.manifest)) == 1


def test_empty_split(tmp_path):
    problems = index_split(
        [], np.zeros(256, np.uint8), tmp_path / "m.jsonl", needs_labels=False, crop=None, workers=1, progress=False
    )
    assert problems == [(str(tmp_path / "m.jsonl"), "the split has no images")]
    assert list(tmp_path.iterdir()) == []


def test_unsorted_entries_are_a_programming_error(pairs, tmp_path):
    listed = [Entry("b", pairs.image("good"), None), Entry("a", pairs.image("good"), None)]
    table = np.zeros(256, np.uint8)
    with pytest.raises(ValueError, match="sorted by id: 'a' follows 'b'"):
        index_split(listed, table, pairs.manifest, needs_labels=False, crop=None, workers=1, progress=False)
    assert list(pairs.manifest.parent.iterdir()) == []


def test_one_report_names_every_bad_file(pairs):
    for name in ("cut", "gone", "id77", "size"):
        pairs.add(name)
    data = pairs.image("cut").read_bytes()
    pairs.image("cut").write_bytes(data[: len(data) // 2])
    Image.fromarray(np.full((8, 16), 77, np.uint8)).save(pairs.label("cut"))
    pairs.label("gone").unlink()
    Image.fromarray(np.full((8, 16), 77, np.uint8)).save(pairs.label("id77"))
    Image.fromarray(np.zeros((4, 16), np.uint8)).save(pairs.label("size"))
    named = [(Path(problem.path).parent.name, Path(problem.path).stem) for problem in pairs.index()]
    assert named == [
        ("images", "cut"), ("labels", "cut"), ("images", "gone"), ("labels", "id77"), ("labels", "size"),
    ]  # fmt: skip


def test_message_shows_twenty_and_says_where_all_are(tmp_path):
    raise_on([])
    problems = [Problem(f"images/{number}.png", "has no label") for number in range(23)]
    report = tmp_path / "manifest" / "problems.txt"
    with pytest.raises(DataError) as raised:
        raise_on(problems, report)
    lines = str(raised.value).splitlines()
    assert lines[0] == "23 problems with the data"
    assert lines[20] == "  - images/19.png: has no label"
    assert lines[21:] == ["  … and 3 more", f"the full report is in {report}"]
    assert report.read_text().splitlines() == [f"images/{number}.png: has no label" for number in range(23)]
    write_report([], report)
    assert report.read_text() == ""


def test_shared_images_are_found_by_content(pairs, tmp_path):
    pairs.add("b", image=np.full((8, 16, 3), 9, np.uint8))
    assert pairs.index() == []
    (tmp_path / "other").mkdir()
    other = Pairs(tmp_path / "other")
    other.image("renamed").write_bytes(pairs.image("b").read_bytes())
    other.add("c", image=np.full((8, 16, 3), 10, np.uint8))
    assert other.index(needs_labels=False) == []
    problems = shared_images(Manifest(pairs.manifest), Manifest(other.manifest))
    assert [problem.path for problem in problems] == [str(pairs.image("b"))]
    assert f"is the same image as {other.image('renamed')}, which the evaluation scores" in problems[0].message


def test_work_in_flight_is_bounded_and_results_are_in_order():
    taken = []

    def items():
        for number in range(50):
            taken.append(number)
            yield number

    with ThreadPoolExecutor(2) as pool:
        results = in_order(pool, lambda number: number * number, items(), in_flight=6)
        assert next(results) == 0
        assert len(taken) == 6
        assert list(results) == [number * number for number in range(1, 50)]


@pytest.mark.parametrize(
    ("root", "class_map", "take", "size"),
    [("camvid11/val", CAMVID, (None, None), (360, 480)), ("carla_town07", CARLA, (0, 100), (80, 160))],
)
def test_real_data_is_sound(tmp_path, real_data, root, class_map, take, size):
    split = FolderSplit(layout="folder", root=str(real_data(root)), class_map=class_map, take=take)
    destination = tmp_path / "m.jsonl"
    table = label_table(split, CLASSES)
    assert (
        index_split(entries(split), table, destination, needs_labels=True, crop=None, workers=2, progress=False) == []
    )
    manifest = Manifest(destination)
    assert len(manifest) == (101 if take == (None, None) else 100)
    assert {(row.height, row.width) for row in manifest} == {size}


def test_real_jpeg_cut_in_half_and_a_few_bytes_short(pairs, real_data):
    data = next(real_data("camvid11/val/images").iterdir()).read_bytes()
    for kept in (len(data) // 2, len(data) - 2000):
        (pairs.root / "images" / "real.jpg").write_bytes(data[:kept])
        assert "truncated" in pairs.problem(needs_labels=False).message


def test_a_png_whose_pixels_do_not_have_their_checksum_is_refused(tmp_path: Path) -> None:
    """Pillow reads them without an error: where the last pixels are damaged, as other ids (seed 101 of bench.fuzz)."""
    pairs = Pairs(tmp_path)
    label_HW = np.random.default_rng(0).integers(0, 2, (8, 16), np.uint8)
    pairs.add("a", label=label_HW)
    data = bytearray(pairs.label("a").read_bytes())
    data[data.index(b"IEND") - 8] ^= 1  # the checksum itself; the pixels are sound
    pairs.label("a").write_bytes(data)
    assert np.array_equal(np.asarray(Image.open(pairs.label("a"))), label_HW)
    assert "a.png: is damaged (the checksum of its pixels differs)" in str(pairs.problem())
