"""Large pictures in tiles by params: every pixel once, the files compared once, scores of the picture."""

# H/W pixels, 3 red, green, blue

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pydantic import ValidationError

from pipeline.common.class_set import ClassSet
from pipeline.common.labels import IGNORE, class_set
from pipeline.common.tiling import Tiling, picture_of, tile_id
from pipeline.datasets import decoded, loading, seen, tiff_rows
from pipeline.datasets.decoded import KeptPictures, OnDisk, WholeInMemory, on_disk
from pipeline.datasets.decoding import CMYK, SEVERAL
from pipeline.datasets.examine import Examined, examine
from pipeline.datasets.hold_back import held_back
from pipeline.datasets.listing import Entry
from pipeline.datasets.manifest import Manifest, manifest_path
from pipeline.datasets.opening import images_of, labels_of
from pipeline.datasets.prepare import prepare
from pipeline.datasets.problems import DataError
from pipeline.evaluation.confusion import confusion_matrix
from pipeline.params import Data
from pipeline.prediction.pictures import SplitPictures
from pipeline.prediction.placed import put_together

HEIGHT, WIDTH, TILE, OVERLAP = 300, 500, 128, 16
CLASSES: ClassSet = class_set({"names": ["ground", "roof"]})


def write_pair(root: Path, name: str, seed: int, size: tuple[int, int] = (HEIGHT, WIDTH), suffix: str = ".png") -> None:
    random = np.random.default_rng(seed)
    for kind, pixels in (
        ("images", random.integers(0, 256, (*size, 3), np.uint8)),
        ("labels", random.integers(0, 2, size, np.uint8)),
    ):
        (root / kind).mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(root / kind / f"{name}{suffix if kind == 'images' else '.png'}")


def data_of(**changes) -> Data:
    split = {"layout": "folder", "class_map": {0: "ground", 1: "roof"}, "tile": [TILE, TILE], "overlap": OVERLAP}
    splits = {name: {**split, "root": name, **changes} for name in ("source", "target", "evaluation")}
    return Data.model_validate({"size": [TILE, TILE], "hold_back": 0, **splits})


def prepared(data: Data) -> dict[str, int]:
    return prepare(data, 1, CLASSES, workers=2, progress=False)


@pytest.fixture
def workspace(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for seed, name in enumerate(("source", "target", "evaluation")):
        write_pair(tmp_path / name, "field1", seed)
        write_pair(tmp_path / name, "field10", 10 + seed)
    return tmp_path


def picture(path: str) -> np.ndarray:
    return np.asarray(Image.open(path))


def test_tiles_cover_every_pixel_and_own_each_once(workspace) -> None:
    assert prepared(data_of())["target"] == 2 * 3 * 5
    manifest = Manifest(manifest_path("evaluation"))
    ids = list(manifest.ids())
    assert ids == sorted(set(ids))
    assert ids[0] == "field10@000000,000000"  # its tiles come before those of field1, as ids are sorted
    covered_HW, owned_HW = np.zeros((2, HEIGHT, WIDTH), int)
    for row in manifest:
        assert row.image_box is not None and row.own is not None
        assert manifest.index_of(row.id) == ids.index(row.id)
        assert row.image_box == row.label_box and row.image_box[2:] == [TILE, TILE]
        if row.id.startswith("field1@"):
            for counts_HW, (top, left, height, width) in ((covered_HW, row.image_box), (owned_HW, row.own)):
                counts_HW[top : top + height, left : left + width] += 1
    assert covered_HW.min() == 1
    assert (owned_HW == 1).all()
    before = manifest_path("evaluation").read_bytes()
    prepared(data_of())
    assert manifest_path("evaluation").read_bytes() == before


@pytest.mark.parametrize("crop", [None, [20, 30, 256, 400]])
def test_images_and_labels_are_the_windows_of_the_files(workspace, crop) -> None:
    prepared(data_of(crop=crop))
    images, labels = images_of("source", (TILE, TILE)), labels_of("source", CLASSES, (TILE, TILE))
    for position, row in enumerate(images.manifest):
        assert row.image_box is not None and row.label is not None
        top, left, height, width = row.image_box
        window = np.s_[top : top + height, left : left + width]
        np.testing.assert_array_equal(images.image(position), picture(row.image)[window])
        np.testing.assert_array_equal(labels.label(position), picture(row.label)[window])
    boxes = [row.image_box for row in images.manifest if row.image_box]
    assert min(box[0] for box in boxes) == (0 if crop is None else crop[0])
    assert max(box[1] + box[3] for box in boxes) == (WIDTH if crop is None else crop[1] + crop[3])


def test_scores_of_tiles_are_those_of_the_pictures(workspace) -> None:
    """A network that answers pointwise: roof where red is above the middle."""
    prepared(data_of())
    images, labels = images_of("evaluation", (TILE, TILE)), labels_of("evaluation", CLASSES, None)
    by_tiles_CC = np.zeros((2, 2), np.int64)
    for position in range(len(images)):
        answer_HW = (images.image(position)[..., 0] > 127).astype(np.uint8)
        by_tiles_CC += confusion_matrix(labels.scored_label(position), answer_HW, 2)
    whole_CC = np.zeros((2, 2), np.int64)
    for name in ("field1", "field10"):
        image_HW3, label_HW = (picture(f"evaluation/{kind}/{name}.png") for kind in ("images", "labels"))
        whole_CC += confusion_matrix(label_HW, (image_HW3[..., 0] > 127).astype(np.uint8), 2)
    np.testing.assert_array_equal(by_tiles_CC, whole_CC)


@pytest.mark.parametrize("size", [None, (TILE, TILE), (64, 96)])
def test_labels_that_are_trained_on_are_whole_and_scored_are_their_own_pixels(workspace, size) -> None:
    """At any size; the own pixels are those of the mask that is resized as a label is."""
    prepared(data_of())
    labels = labels_of("source", CLASSES, size)
    for position, row in enumerate(labels.manifest):
        assert row.label_box is not None and row.own is not None
        (top, left, *_), (first, begin, high, wide) = row.label_box, row.own
        own_HW = np.zeros((TILE, TILE), np.uint8)
        own_HW[first - top : first - top + high, begin - left : begin - left + wide] = 1
        own_hw = np.asarray(Image.fromarray(own_HW).resize((size or (TILE, TILE))[::-1], Image.Resampling.NEAREST))
        label_hw = labels.label(position)
        assert (label_hw != IGNORE).all()
        np.testing.assert_array_equal(labels.scored_label(position), np.where(own_hw == 1, label_hw, IGNORE))


def test_a_picture_is_decoded_once_for_its_tiles_and_hashed_once(workspace, monkeypatch) -> None:
    hashed, decoded_files = [], []
    prepared(data_of())
    images = images_of("target", (TILE, TILE))
    os.utime("target/images/field1.png")  # another time: the content decides
    real_hash, real_read = seen.file_hash, loading.read_image
    monkeypatch.setattr(seen, "file_hash", lambda path: hashed.append(path) or real_hash(path))
    monkeypatch.setattr(
        loading, "read_image", lambda data, reading: decoded_files.append(1) or real_read(data, reading)
    )
    for position in range(len(images)):
        images.image(position)
    assert (hashed, len(decoded_files)) == ([Path("target/images/field1.png")], 2)


def test_prepare_hashes_a_young_file_once_for_its_times(workspace, monkeypatch) -> None:
    """The files are younger than the clock of a file server may be wrong, so each is read again: once, not by tile."""
    hashed, real_hash = [], seen.file_hash
    monkeypatch.setattr(seen, "file_hash", lambda path: hashed.append(path) or real_hash(path))
    prepared(data_of())
    assert len(set(hashed)) == 3 * 2 * 2
    assert len(hashed) == 2 * 2 + 2 + 2 * 2 + 2 * 2  # source, target, target-labelled, evaluation


def test_a_changed_picture_is_noticed_while_its_tiles_are_read(workspace) -> None:
    prepared(data_of())
    images = images_of("target", (TILE, TILE))
    path = Path("target/images/field1.png")
    position = images.manifest.index_of("field1@000000,000000")
    images.image(position)
    data = bytearray(path.read_bytes())
    data[-30] ^= 1
    path.write_bytes(data)
    with pytest.raises(DataError, match=r"changed since prepare .as many bytes, another content"):
        images.image(position + 1)
    path.write_bytes(data[:-1])
    with pytest.raises(DataError, match=r"changed since prepare .* bytes then"):
        images.image(position + 1)


def test_tiles_of_a_tiff_are_read_from_the_file(workspace) -> None:
    write_pair(workspace / "source", "field2", 5, suffix=".tif")  # not compressed: rows can be sought
    prepared(data_of())
    images = images_of("source", (TILE, TILE))
    assert isinstance(on_disk(workspace / "source/images/field2.tif", images.reading), OnDisk)
    assert on_disk(workspace / "source/images/field1.png", images.reading) is None
    position = images.manifest.index_of("field2@000172,000093")
    expected = picture("source/images/field2.tif")[172 : 172 + TILE, 93 : 93 + TILE]
    np.testing.assert_array_equal(images.image(position), expected)


@pytest.mark.parametrize("damage", [None, 5000])
def test_a_tiff_beyond_what_is_decoded_whole_is_looked_at_in_pieces(workspace, monkeypatch, damage) -> None:
    """It has the row and the notes of a smaller one, and damage in any piece is a problem."""
    path = workspace / "source/images/field2.tif"
    pages = [Image.new("CMYK", (WIDTH, HEIGHT), (1, 2, 3, 4)), Image.new("L", (9, 9))]
    pages[0].save(path, save_all=True, append_images=pages[1:])
    path.write_bytes(path.read_bytes()[: None if damage is None else -damage])

    def look(tiling: Tiling | None) -> Examined:
        entry = Entry("field2", path, None)
        return examine(entry, np.zeros(256, np.uint8), None, needs_labels=False, tiling=tiling)

    whole = look(None)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", HEIGHT * WIDTH // 4)
    monkeypatch.setattr(decoded, "LIMIT", HEIGHT * WIDTH // 2)
    monkeypatch.setattr(tiff_rows, "_PIXELS_AT_ONCE", 10_000)
    assert "are not read whole" in look(None).problems[0].message
    in_pieces = look(Tiling((TILE, TILE), OVERLAP))
    if damage is None:
        assert in_pieces == whole
        assert set(in_pieces.notes) == {SEVERAL, CMYK}
    else:
        assert [problem.path for problem in in_pieces.problems] == [str(path)]
        assert "truncated" in in_pieces.problems[0].message


def test_a_picture_smaller_than_a_tile_is_refused(workspace) -> None:
    write_pair(workspace / "source", "thin", 7, size=(100, 400))
    with pytest.raises(DataError, match=r"thin.png.* is 100 high and 400 wide, less than a tile \(128 high and 128"):
        prepared(data_of())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"overlap": 43}, "overlap: is 43; with tiles of 128x128 it may be 0 to 42"),
        ({"tile": None}, "overlap: is of tiles; say tile"),
    ],
)
def test_tiles_that_cannot_be_stitched_are_refused(changes, message) -> None:
    with pytest.raises(ValidationError, match=message):
        data_of(**changes)


def tiles_named(names: list[str], tiles: int) -> list[str]:
    return [tile_id(name, (top, 0, 1, 1)) for name in names for top in range(tiles)]


def held_ids(ids: list[str], share: float) -> list[str]:
    return [ids[position] for position in held_back(ids, share, 1)]


def test_whole_sequences_of_pictures_are_held_back() -> None:
    ids = tiles_named([f"{name}_{number}" for name in "abcde" for number in (1, 2)], 3)
    held = held_ids(ids, 0.2)
    assert held == tiles_named([f"{held[0][0]}_1", f"{held[0][0]}_2"], 3)


def test_whole_pictures_of_one_sequence_are_held_back() -> None:
    one_flight = tiles_named([f"{number:06}" for number in range(24)], 25)
    assert held_ids(one_flight, 0.05) == tiles_named(["000023"], 25)  # 30 of 600 is nearest to a picture of 25


@pytest.mark.parametrize("names", [["img_1", "img_2", "img_3"], ["east", "north", "west"]])
def test_no_picture_is_cut_where_each_has_more_tiles_than_the_share(names) -> None:
    held = held_ids(tiles_named(names, 15), 0.1)
    assert held == tiles_named([picture_of(held[0])], 15)


@pytest.mark.parametrize(("names", "tiles"), [(["first", "last"], 100), (["a", "b", "c", "d"], 201)])
def test_a_picture_of_too_many_tiles_is_cut(names, tiles) -> None:
    """More than a third of all tiles, or more than 200."""
    ids = tiles_named(names, tiles)
    held = held_ids(ids, 0.05)
    count = round(0.05 * len(ids))
    assert held == tiles_named([picture_of(held[0])], tiles)[-count:]


def test_few_pictures_are_kept_however_many_are_read() -> None:
    kept, opened = KeptPictures(most_bytes=3 * 10_000), []

    def open_(number: int) -> WholeInMemory:
        opened.append(number)
        return WholeInMemory(Image.new("L", (100, 100), number))

    for number in range(50):
        for _ in range(4):
            assert kept.get(number, lambda number=number: open_(number)).window((0, 0, 1, 1)).getpixel((0, 0)) == number
        assert len(kept) <= 3
    assert opened == list(range(50))
    one = KeptPictures(most_bytes=1)
    one.get(1, lambda: open_(1))
    assert len(one) == 1  # the last is kept whatever its size


@pytest.mark.parametrize("crop", [None, [20, 30, 256, 400]])
def test_labels_of_tiles_are_put_together_again(workspace, crop) -> None:
    """Each tile answers what is in the file at its own pixels, and nonsense beside them."""
    prepared(data_of(crop=crop))
    pictures = SplitPictures(manifest_path("target"), None if crop is None else tuple(crop))
    assert [picture.name for picture in pictures] == ["field10.png", "field1.png"]
    truth_HW, parts = picture("target/labels/field1.png"), []
    for row in Manifest(manifest_path("target")):
        if row.image == "target/images/field1.png" and row.own is not None:
            tile = pictures.of_id(row.id)
            answer_HW = np.full_like(truth_HW, 9)
            own = np.s_[row.own[0] : row.own[0] + row.own[2], row.own[1] : row.own[1] + row.own[3]]
            answer_HW[own] = truth_HW[own]
            top, left, height, width = tile.crop
            parts.append((answer_HW[top : top + height, left : left + width], tile))
    top, left, height, width = crop or (0, 0, HEIGHT, WIDTH)
    expected_HW = np.full_like(truth_HW, IGNORE)
    inside = np.s_[top : top + height, left : left + width]
    expected_HW[inside] = truth_HW[inside]
    np.testing.assert_array_equal(put_together(parts, (HEIGHT, WIDTH)), expected_HW)
