"""The layout `digits`: what is unpacked from an archive, for whom, and what its errors say."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pipeline.common.labels import DIGITS_10, class_set
from pipeline.datasets.entries import DataError, entries
from pipeline.datasets.layouts.digits import archive_entries, has_labels
from pipeline.datasets.opening import images_of, labels_of
from pipeline.datasets.prepare import manifest_path, prepare
from pipeline.params import Data, DigitsSplit

GENERATOR = np.random.default_rng(1)


def archive(path: Path, count: int, size: int = 16, *, labels: bool = True, first: int = 0) -> dict[str, np.ndarray]:
    """Writes an archive of noise and answers its arrays; the digit of an image is its place, from ``first`` on."""
    arrays = {"x": GENERATOR.integers(0, 256, (count, size, size), dtype=np.uint8)}
    if labels:
        arrays["y"] = (np.arange(count) + first) % 10
    np.savez_compressed(path, **arrays)
    return arrays


def split(path: Path, **other: Any) -> DigitsSplit:
    return DigitsSplit(layout="digits", root=str(path.parent), archive=path.name, **other)


@pytest.fixture
def prepared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, dict[str, np.ndarray]]:
    """A source of 12, a target of 11 and an evaluation of 10 digits, prepared in the current folder."""
    monkeypatch.chdir(tmp_path)
    arrays = {
        "source": archive(tmp_path / "a.npz", 12, 28),
        "target": archive(tmp_path / "b.npz", 11, first=3),
        "evaluation": archive(tmp_path / "c.npz", 10),
    }
    assert prepare(data(tmp_path), 1, DIGITS_10, workers=1, progress=False) == {
        "source": 12, "target": 11, "target-labelled": 11, "evaluation": 10,
    }  # fmt: skip
    return arrays


def data(folder: Path) -> Data:
    return Data(
        size=(28, 28), **{name: split(folder / f"{file}.npz") for name, file in zip(SPLITS, "abc", strict=True)}
    )


SPLITS = ("source", "target", "evaluation")


def test_images_and_digits_are_those_of_the_archive(prepared: dict[str, dict[str, np.ndarray]]) -> None:
    images, labels = images_of("source", (28, 28)), labels_of("source", DIGITS_10, None)
    assert list(images.manifest.ids()) == [f"{place:06}" for place in range(12)]
    for place, (image_HW, digit) in enumerate(zip(*prepared["source"].values(), strict=True)):
        np.testing.assert_array_equal(images.image(place), np.repeat(image_HW[..., None], 3, axis=2))
        np.testing.assert_array_equal(labels.label(place), np.full((28, 28), digit))


def test_small_digits_are_enlarged_and_a_label_has_the_size_of_its_file_or_the_network_s(
    prepared: dict[str, dict[str, np.ndarray]],
) -> None:
    assert images_of("evaluation", (28, 28)).image(0).shape == (28, 28, 3)
    for size, shape in ((None, (16, 16)), ((28, 28), (28, 28))):
        label_HW = labels_of("evaluation", DIGITS_10, size).label(7)
        np.testing.assert_array_equal(label_HW, np.full(shape, 7))


def test_nothing_beside_the_target_s_images_tells_their_digits(prepared: object) -> None:
    target = manifest_path("target").parent
    assert {path.name for path in target.iterdir()} == {"images", "manifest.jsonl", "split.json"}
    assert '"label":"' not in manifest_path("target").read_text()
    labelled = labels_of("target-labelled", DIGITS_10, (28, 28))
    assert [int(labelled.label(place)[0, 0]) for place in range(11)] == [3, 4, 5, 6, 7, 8, 9, 0, 1, 2, 3]


def test_a_target_without_labels_has_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name, labels in (("a", True), ("b", False), ("c", True)):
        archive(tmp_path / f"{name}.npz", 3, labels=labels)
    counts = prepare(data(tmp_path), 1, DIGITS_10, workers=1, progress=False)
    assert counts == {"source": 3, "target": 3, "evaluation": 3}
    assert not manifest_path("target-labelled").exists()


def test_a_source_without_labels_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name, labels in (("a", False), ("b", False), ("c", True)):
        archive(tmp_path / f"{name}.npz", 3, labels=labels)
    with pytest.raises(DataError, match=r"000000\.png: has no label; add it"):
        prepare(data(tmp_path), 1, DIGITS_10, workers=1, progress=False)


def test_fewer_images_are_evenly_spaced_and_keep_their_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in "abc":
        archive(tmp_path / f"{name}.npz", 10)
    few = {name: split(tmp_path / f"{file}.npz", images=4) for name, file in zip(SPLITS, "abc", strict=True)}
    prepare(Data(size=(28, 28), **few), 1, DIGITS_10, workers=1, progress=False)
    labels = labels_of("source", DIGITS_10, None)
    assert [entry.id for entry in archive_entries(few["source"])] == list(labels.manifest.ids())
    assert [int(labels.label(place)[0, 0]) for place in range(4)] == [0, 2, 5, 7]  # 0, 10/4, 20/4, 30/4 rounded down


def test_before_anything_is_unpacked_only_the_head_of_the_archive_is_read(tmp_path: Path) -> None:
    archive(tmp_path / "a.npz", 3, labels=False)
    found = entries(split(tmp_path / "a.npz"))
    assert found.__length_hint__() == 3
    assert [(entry.image, entry.label) for entry in found] == [(tmp_path / "a.npz", None)] * 3
    assert not has_labels(split(tmp_path / "a.npz"))


X = np.zeros((2, 16, 16), np.uint8)


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({"y": np.zeros(2, int)}, "x is missing; an archive of digits has"),
        ({"x": X.astype(float)}, "x is float64 of shape (2, 16, 16); an archive"),
        ({"x": X[0]}, "x is uint8 of shape (16, 16)"),
        ({"x": X[:0]}, "x is uint8 of shape (0, 16, 16)"),
        ({"x": X, "y": np.zeros(3, int)}, "y is int64 of shape (3,) for 2 images"),
        ({"x": X, "y": np.zeros(2)}, "y is float64 of shape (2,) for 2 images"),
        ({"x": X, "y": np.array([1, None])}, "an array is stored by columns, or holds objects"),
        ({"x": np.asfortranarray(np.ones((2, 16, 16), np.uint8))}, "an array is stored by columns"),
    ],
)
def test_what_is_no_archive_of_digits_is_told(tmp_path: Path, arrays: dict[str, np.ndarray], said: str) -> None:
    path = tmp_path / "a.npz"
    np.savez(path, **arrays)
    with pytest.raises(DataError, match=f"^{re.escape(str(path))}: .*{re.escape(said)}"):
        entries(split(path))


def test_a_missing_a_foreign_and_a_cut_archive_are_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no\.npz: there is no such archive; set `root` and `archive`"):
        entries(split(tmp_path / "no.npz"))
    (tmp_path / "text.npz").write_text("digits")
    with pytest.raises(DataError, match=r"text\.npz: is not a NumPy archive, or is damaged"):
        entries(split(tmp_path / "text.npz"))
    archive(tmp_path / "a.npz", 30)
    (tmp_path / "a.npz").write_bytes((tmp_path / "a.npz").read_bytes()[:-200])
    with pytest.raises(DataError, match="is not a NumPy archive, or is damaged"):
        entries(split(tmp_path / "a.npz"))


def test_a_label_that_is_no_digit_and_too_many_images_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in "abc":
        archive(tmp_path / f"{name}.npz", 2)
    np.savez(tmp_path / "a.npz", x=X, y=np.array([3, 10]))
    with pytest.raises(DataError, match=r"a\.npz: y says 10 of image 1; an archive of digits has"):
        prepare(data(tmp_path), 1, DIGITS_10, workers=1, progress=False)
    with pytest.raises(DataError, match=r"a\.npz: holds 2 images, and `images` asks for 3"):
        entries(split(tmp_path / "a.npz", images=3))


def test_the_real_archives_are_of_this_layout(real_data: Callable[[str], Path]) -> None:
    digits = real_data("digits")
    for name, count in (
        ("mnist_train10k", 10_000),
        ("mnist_test10k", 10_000),
        ("usps_train", 7291),
        ("usps_test", 2007),
    ):
        described = split(digits / f"{name}.npz")
        assert len(list(entries(described))) == count
        assert has_labels(described)


def test_ten_classes_have_ten_colours() -> None:
    assert class_set("digits-10").names == tuple("0123456789")
    assert len(set(DIGITS_10.palette)) == 10


def test_pngs_are_grey_and_of_the_archive_s_bytes(prepared: dict[str, dict[str, np.ndarray]]) -> None:
    with Image.open(manifest_path("target").parent / "images" / "000004.png") as picture:
        assert picture.mode == "L"
        np.testing.assert_array_equal(np.asarray(picture), prepared["target"]["x"][4])
