"""Arrays of a manifest: crop, size, id tables, and files that changed."""

import inspect
import os
import pickle
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.common.labels import IGNORE, UNKNOWN
from pipeline.datasets import seen
from pipeline.datasets.index import index_split
from pipeline.datasets.listing import Entry
from pipeline.datasets.loading import SplitImages, SplitLabels
from pipeline.datasets.manifest import Manifest
from pipeline.datasets.problems import DataError
from pipeline.datasets.seen import times_of, write_times

TABLE = np.full(256, UNKNOWN, np.uint8)
TABLE[[3, 5, 9]] = 0, 1, IGNORE


@pytest.fixture
def pair(tmp_path) -> Entry:
    """A 20 × 40 image whose red counts columns and green rows; the label is 3 at the left, 5 at the right, 9 above."""
    image_HW3 = np.zeros((20, 40, 3), np.uint8)
    image_HW3[..., 0], image_HW3[..., 1] = np.arange(40), np.arange(20)[:, None]
    label_HW = np.full((20, 40), 3, np.uint8)
    label_HW[:, 20:] = 5
    label_HW[:4] = 9
    Image.fromarray(image_HW3).save(tmp_path / "image.png")
    Image.fromarray(label_HW).save(tmp_path / "label.png")
    return Entry("a", tmp_path / "image.png", tmp_path / "label.png")


def manifest_of(pair: Entry, crop=None, needs_labels=True) -> Manifest:
    destination = pair.image.parent / "manifest.jsonl"
    problems = index_split([pair], TABLE, destination, needs_labels=needs_labels, crop=crop, workers=1, progress=False)
    assert problems == []
    return Manifest(destination)


def test_image_at_its_own_size_is_the_file(pair):
    image_HW3 = SplitImages(manifest_of(pair), crop=None, size=(20, 40)).image(0)
    assert image_HW3.dtype == np.uint8
    assert np.array_equal(image_HW3, np.asarray(Image.open(pair.image)))
    assert image_HW3.flags.writeable


def test_crop_is_top_left_height_width(pair):
    crop = (4, 10, 8, 16)
    manifest = manifest_of(pair, crop)
    image_HW3 = SplitImages(manifest, crop=crop, size=(8, 16)).image(0)
    assert image_HW3.shape == (8, 16, 3)
    assert image_HW3[0, 0].tolist() == [10, 4, 0]
    assert image_HW3[7, 15].tolist() == [25, 11, 0]
    label_HW = SplitLabels(manifest, crop=crop, size=None, table=TABLE).label(0)
    assert np.array_equal(label_HW, np.repeat([[0] * 10 + [1] * 6], 8, axis=0))


def test_image_is_resized_bicubically_after_the_crop(pair):
    crop = (4, 10, 8, 16)
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (20, 40, 3), np.uint8)).save(pair.image)
    image_HW3 = SplitImages(manifest_of(pair, crop), crop=crop, size=(16, 32)).image(0)
    cut = Image.open(pair.image).crop((10, 4, 26, 12))
    assert np.array_equal(image_HW3, np.asarray(cut.resize((32, 16), Image.Resampling.BICUBIC)))
    assert not np.array_equal(image_HW3, np.asarray(cut.resize((32, 16), Image.Resampling.BILINEAR)))


def test_label_resized_invents_no_class(pair):
    label_HW = SplitLabels(manifest_of(pair), crop=None, size=(10, 20), table=TABLE).label(0)
    expected = np.zeros((10, 20), np.uint8)
    expected[:, 10:] = 1
    expected[:2] = IGNORE
    assert label_HW.dtype == np.uint8
    assert np.array_equal(label_HW, expected)


def test_label_keeps_its_own_resolution_without_size(pair):
    assert SplitLabels(manifest_of(pair), crop=None, size=None, table=TABLE).label(0).shape == (20, 40)


def test_grey_and_transparent_images_become_rgb(tmp_path):
    Image.new("L", (4, 4), 7).save(tmp_path / "grey.png")
    manifest = manifest_of(Entry("a", tmp_path / "grey.png", None), needs_labels=False)
    assert SplitImages(manifest, crop=None, size=(4, 4)).image(0)[0, 0].tolist() == [7, 7, 7]


def test_ids_and_length_and_pickle(pair):
    manifest = manifest_of(pair)
    for split in (
        SplitImages(manifest, crop=None, size=(2, 4)),
        SplitLabels(manifest, crop=None, size=None, table=TABLE),
    ):
        assert (len(split), split.id(0)) == (1, "a")
        assert len(pickle.loads(pickle.dumps(split))) == 1


def test_images_cannot_reach_labels(pair):
    images = SplitImages(manifest_of(pair), crop=None, size=(2, 4))
    assert not any("label" in name for name, _ in inspect.getmembers(images))


def test_labels_refuse_a_manifest_without_labels(pair):
    with pytest.raises(DataError, match=r"manifest.jsonl: is a manifest without labels"):
        SplitLabels(manifest_of(pair, needs_labels=False), crop=None, size=None, table=TABLE)


def test_unknown_id_is_named_with_the_file(pair):
    narrow = TABLE.copy()
    narrow[5] = UNKNOWN
    labels = SplitLabels(manifest_of(pair), crop=None, size=None, table=narrow)
    with pytest.raises(DataError, match=r"label.png: holds id 5 \(320 pixels\) that the data set does not define"):
        labels.label(0)


@pytest.mark.parametrize("kind", ["image", "label"])
def test_file_of_another_size_has_changed_since_prepare(pair, kind):
    manifest = manifest_of(pair)
    path: Path = getattr(pair, kind)
    path.write_bytes(path.read_bytes() + b"0")
    split = {
        "image": lambda: SplitImages(manifest, crop=None, size=(2, 4)).image(0),
        "label": lambda: SplitLabels(manifest, crop=None, size=None, table=TABLE).label(0),
    }
    with pytest.raises(DataError, match=rf"{kind}.png: changed since prepare .*run `dvc repro -f prepare`"):
        split[kind]()


def test_file_that_is_gone_or_damaged_is_named(pair):
    images = SplitImages(manifest_of(pair), crop=None, size=(2, 4))
    data = pair.image.read_bytes()
    pair.image.write_bytes(data[: len(data) // 2] + bytes(len(data) - len(data) // 2))  # as long as before
    with pytest.raises(DataError, match=r"image.png: changed since prepare"):
        images.image(0)
    pair.image.unlink()
    with pytest.raises(DataError, match=r"image.png: cannot be read any more \(No such file"):
        images.image(0)


def test_crop_outside_is_refused_not_filled_with_black(pair):
    images = SplitImages(manifest_of(pair), crop=(0, 0, 21, 40), size=(2, 4))
    with pytest.raises(DataError, match=r"image.png: is 20 high and 40 wide, and crop \[0, 0, 21, 40\]"):
        images.image(0)


def overwritten(path: Path) -> None:
    """The same file with another content, of as many bytes; as an editor would, with a new time."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    before = path.stat().st_mtime_ns
    path.write_bytes(data)
    os.utime(path, ns=(before, before + 10**9))


@pytest.mark.parametrize("kind", ["image", "label"])
@pytest.mark.parametrize("times", [True, False])
def test_file_with_as_many_bytes_and_another_content_has_changed_since_prepare(pair, kind, times, monkeypatch):
    monkeypatch.chdir(pair.image.parent)
    manifest = manifest_of(pair)
    if times:
        write_times(manifest, time.time_ns() + 10**9)
    overwritten(getattr(pair, kind))
    opened = SplitImages(manifest, crop=None, size=(20, 40))
    read = opened.image if kind == "image" else SplitLabels(manifest, crop=None, size=None, table=TABLE).label
    with pytest.raises(DataError, match=rf"{kind}.png: changed since prepare \(as many bytes, another content\); run"):
        read(0)


def test_only_a_file_with_another_time_is_compared_and_only_once(pair, monkeypatch):
    monkeypatch.chdir(pair.image.parent)
    manifest = manifest_of(pair)
    write_times(manifest, time.time_ns() + 10**9)
    hashed = []
    real = seen.content_hash
    monkeypatch.setattr(seen, "content_hash", lambda data: hashed.append(len(data)) or real(data))
    images = SplitImages(manifest, crop=None, size=(20, 40))
    images.image(0)
    assert hashed == []
    os.utime(pair.image)  # as a copy elsewhere has
    images.image(0), images.image(0)
    assert hashed == [pair.image.stat().st_size]
    assert pickle.loads(pickle.dumps(images)).image(0).shape == (20, 40, 3)


def test_times_of_another_manifest_are_not_believed(pair, monkeypatch):
    monkeypatch.chdir(pair.image.parent)
    manifest = manifest_of(pair)
    write_times(manifest, time.time_ns() + 10**9)
    text = manifest.path.read_text().replace(manifest[0].label_hash, "0" * 32)  # DVC has brought back an older one
    manifest.path.write_text(text)
    with pytest.raises(DataError, match=r"label.png: changed since prepare \(as many bytes"):
        SplitLabels(Manifest(manifest.path), crop=None, size=None, table=TABLE).label(0)


def test_a_file_written_while_prepare_ran_has_no_known_time_unless_it_is_the_same(pair, monkeypatch):
    monkeypatch.chdir(pair.image.parent)
    manifest = manifest_of(pair)
    overwritten(pair.label)
    write_times(manifest, 0)
    times = times_of(manifest)
    assert times["image"].tolist() == [pair.image.stat().st_mtime_ns]
    assert times["label"].tolist() == [0]
