"""Volumes of other programs become caches, and caches volumes again.

# N images, C class, H/W pixels
"""

from __future__ import annotations

import os
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pipeline.cache.export import export_cache
from pipeline.cache.index import CacheIndex
from pipeline.cache.maintenance import compact, problems_of
from pipeline.cache.reader import CacheReader
from pipeline.cache.schema import ALL_STATISTICS, CacheError
from pipeline.cache.volumes import import_volumes, open_volumes

NAMES = ("road", "sky", "car", "bus")


def volumes(images: int = 5, size: tuple[int, int] = (12, 20)) -> np.ndarray:
    scores = np.exp(3 * np.random.default_rng(0).standard_normal((images, len(NAMES), *size)))
    return (scores / scores.sum(axis=1, keepdims=True)).astype(np.float32)


def as_npz(folder: Path, prob_NCHW: np.ndarray) -> Path:
    np.savez_compressed(folder / "v.npz", prob=prob_NCHW, other=np.zeros((1, 2, 3, 4)), labels=np.zeros(3))
    return folder / "v.npz"


def as_npy(folder: Path, prob_NCHW: np.ndarray) -> Path:
    np.save(folder / "v.npy", prob_NCHW)
    return folder / "v.npy"


def as_folder(folder: Path, prob_NCHW: np.ndarray) -> Path:
    for number, prob_CHW in enumerate(prob_NCHW):
        path = folder / "volumes" / f"{number:05}.npy"
        path.parent.mkdir(exist_ok=True)
        np.save(path, prob_CHW.transpose(1, 2, 0))
    return folder / "volumes"


def as_folder_of_batches(folder: Path, prob_NCHW: np.ndarray) -> Path:
    for number, prob_CHW in enumerate(prob_NCHW):
        np.save(folder / f"{number:05}.npy", prob_CHW[None])
    return folder


Write = Callable[[Path, np.ndarray], Path]
ALL_FORMS = [as_npz, as_npy, as_folder, as_folder_of_batches]


@pytest.mark.parametrize("write", ALL_FORMS)
def test_every_form_of_volumes_comes_back_bit_by_bit(tmp_path: Path, write: Write) -> None:
    prob_NCHW = volumes()
    (tmp_path / "in").mkdir()
    found = open_volumes(write(tmp_path / "in", prob_NCHW))
    assert found.image_ids == ["00000", "00001", "00002", "00003", "00004"]
    import_volumes(found, tmp_path / "cache", NAMES, part_images=2)
    reader = CacheReader(tmp_path / "cache")
    assert (reader.spec.profile, reader.spec.class_names) == ("float32", NAMES)
    for number in (3, 0, 4, 1, 2):
        np.testing.assert_array_equal(reader.probability(number).numpy(), prob_NCHW[number])
        np.testing.assert_array_equal(reader.label(number), prob_NCHW[number].argmax(axis=0))


def test_one_byte_each_keeps_labels_and_statistics_exact(tmp_path: Path) -> None:
    found = open_volumes(as_npy(tmp_path, volumes()))
    import_volumes(found, tmp_path / "exact", NAMES)
    import_volumes(found, tmp_path / "small", NAMES, profile="probabilities")
    exact, small = CacheReader(tmp_path / "exact"), CacheReader(tmp_path / "small")
    for name in ALL_STATISTICS:
        np.testing.assert_array_equal(small.index.statistic(name), exact.index.statistic(name))
    for number in range(5):
        np.testing.assert_array_equal(small.label(number), exact.label(number))
        assert np.abs((small.probability(number) - exact.probability(number)).numpy()).max() < 5e-3


def test_large_volumes_are_kept_as_one_byte_each_unless_told_otherwise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.cache.volumes._EXACT_UP_TO", 4 * volumes().size - 1)
    found = open_volumes(as_npy(tmp_path, volumes()))
    assert import_volumes(found, tmp_path / "auto", NAMES).profile == "probabilities"
    assert import_volumes(found, tmp_path / "told", NAMES, profile="float32").profile == "float32"


def test_half_precision_is_taken_and_integers_are_refused(tmp_path: Path) -> None:
    import_volumes(open_volumes(as_npy(tmp_path, volumes().astype(np.float16))), tmp_path / "half", NAMES)
    assert len(CacheReader(tmp_path / "half")) == 5
    found = open_volumes(as_npy(tmp_path, (255 * volumes()).astype(np.uint8)))
    with pytest.raises(CacheError, match="00000: holds uint8; probabilities as floats are needed"):
        import_volumes(found, tmp_path / "bytes", NAMES)


def test_logits_are_refused_naming_the_image(tmp_path: Path) -> None:
    prob_NCHW = volumes()
    prob_NCHW[3] *= 5
    with pytest.raises(CacheError, match=r"00003: does not sum to 1 over its 4 classes .* apply softmax first"):
        import_volumes(open_volumes(as_npy(tmp_path, prob_NCHW)), tmp_path / "cache", NAMES)


def test_nan_is_refused_naming_the_image(tmp_path: Path) -> None:
    prob_NCHW = volumes()
    prob_NCHW[2, 1, 0, 0] = np.nan
    with pytest.raises(CacheError, match="00002: holds NaN"):
        import_volumes(open_volumes(as_npy(tmp_path, prob_NCHW)), tmp_path / "cache", NAMES)


def test_an_image_of_another_shape_is_named(tmp_path: Path) -> None:
    folder = as_folder(tmp_path, volumes())
    np.save(folder / "00003.npy", volumes(1, (10, 20))[0].transpose(1, 2, 0))
    with pytest.raises(CacheError, match=r"00003: has shape \(4, 10, 20\), the first image \(4, 12, 20\)"):
        import_volumes(open_volumes(folder), tmp_path / "cache", NAMES)


def test_a_wrong_path_or_array_is_said_in_words(tmp_path: Path) -> None:
    with pytest.raises(CacheError, match="there is no such file or folder"):
        open_volumes(tmp_path / "nothing")
    with pytest.raises(CacheError, match=r"holds no \.npy files"):
        open_volumes(tmp_path)
    np.savez(tmp_path / "two.npz", a=volumes(), b=volumes())
    with pytest.raises(CacheError, match=r"several arrays .*\(a, b\); name one with --key"):
        open_volumes(tmp_path / "two.npz")
    assert open_volumes(tmp_path / "two.npz", key="b").shape == (4, 12, 20)
    with pytest.raises(CacheError, match="'c' is not an array"):
        open_volumes(tmp_path / "two.npz", key="c")
    np.save(tmp_path / "flat.npy", np.zeros((4, 5)))
    with pytest.raises(CacheError, match=r"shape \(4, 5\); \(N,C,H,W\) is needed"):
        open_volumes(tmp_path / "flat.npy")
    np.save(tmp_path / "pickled.npy", np.array([{"a": 1}], dtype=object))
    with pytest.raises(CacheError, match=r"cannot be read as \.npy"):
        open_volumes(tmp_path / "pickled.npy")


def test_a_compressed_archive_is_streamed(tmp_path: Path) -> None:
    """Memory holds single images: far less than the array."""
    prob_NCHW = volumes(60, (64, 128))
    found = open_volumes(as_npz(tmp_path, prob_NCHW))
    tracemalloc.start()
    total = sum(float(found.read(number).sum()) for number in range(60))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert total == pytest.approx(60 * 64 * 128, rel=1e-4)
    assert peak < prob_NCHW.nbytes / 5


# ------------------------------------------------------------------------------------------------------------ and out


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    (tmp_path / "in").mkdir()
    import_volumes(open_volumes(as_npy(tmp_path / "in", volumes())), tmp_path / "cache", NAMES, part_images=2)
    return tmp_path / "cache"


@pytest.mark.parametrize("form", ["out", "out.npz"])
def test_an_export_can_be_imported_again(tmp_path: Path, cache: Path, form: str) -> None:
    assert export_cache(CacheReader(cache), tmp_path / form, "probabilities") == 5
    import_volumes(open_volumes(tmp_path / form), tmp_path / "again", NAMES)
    again = CacheReader(tmp_path / "again")
    for number, prob_CHW in enumerate(volumes()):
        np.testing.assert_array_equal(again.probability(number).numpy(), prob_CHW)


def test_labels_and_entropies_are_exported_too(tmp_path: Path, cache: Path) -> None:
    reader = CacheReader(cache)
    export_cache(reader, tmp_path / "labels", "labels", ["00003"])
    assert [path.name for path in (tmp_path / "labels").iterdir()] == ["00003.npy"]
    np.testing.assert_array_equal(np.load(tmp_path / "labels" / "00003.npy"), volumes()[3].argmax(axis=0))
    export_cache(reader, tmp_path / "e.npz", "entropy")
    with np.load(tmp_path / "e.npz") as arrays:
        np.testing.assert_array_equal(arrays["entropy"][4], reader.pixels(4).entropy_HW.numpy())
        assert arrays["image_ids"].tolist() == reader.image_ids


def test_an_unknown_image_is_refused_before_anything_is_written(tmp_path: Path, cache: Path) -> None:
    with pytest.raises(CacheError, match="has no image 'x'"):
        export_cache(CacheReader(cache), tmp_path / "out", "labels", ["00000", "x"])
    assert not (tmp_path / "out").exists()


def test_an_id_cannot_leave_the_folder(tmp_path: Path) -> None:
    found = open_volumes(as_npy(tmp_path, volumes(1)))
    import_volumes(found._replace(image_ids=["../escaped"]), tmp_path / "cache", NAMES)
    with pytest.raises(CacheError, match="would be written outside"):
        export_cache(CacheReader(tmp_path / "cache"), tmp_path / "out", "labels")


# -------------------------------------------------------------------------------------------------------- maintenance


def test_a_whole_cache_has_no_problems_and_a_broken_one_has_all_named(cache: Path) -> None:
    assert problems_of(cache) == []
    first, second = cache / "part-00000.h5", cache / "part-00001.h5"
    first.write_bytes(first.read_bytes()[: first.stat().st_size // 2])
    second.unlink()
    problems = problems_of(cache)
    assert len(problems) == 2
    assert "part-00000.h5: is cut" in problems[0]
    assert "part-00001.h5: this part of the cache is missing" in problems[1]


def test_a_missing_last_part_is_a_problem(cache: Path) -> None:
    (cache / "part-00002.h5").unlink()
    assert ["part-00002.h5 is missing" in problem for problem in problems_of(cache)] == [True]


def test_fewer_parts_say_the_same(tmp_path: Path, cache: Path) -> None:
    assert compact(cache, tmp_path / "compact", 4) == 2
    assert problems_of(tmp_path / "compact") == []
    old, new = CacheReader(cache), CacheReader(tmp_path / "compact")
    assert new.image_ids == old.image_ids
    for name in ALL_STATISTICS:
        np.testing.assert_array_equal(new.index.statistic(name), old.index.statistic(name))
    for name in ("confidence", "entropy"):
        np.testing.assert_array_equal(new.index.histogram(name), old.index.histogram(name))
    for number in range(5):
        for mine, theirs in zip(new.pixels(number), old.pixels(number), strict=True):
            np.testing.assert_array_equal(mine, theirs)
    assert CacheIndex(tmp_path / "compact").spec.part_images == 4


def test_compact_refuses_what_it_cannot_copy(tmp_path: Path, cache: Path) -> None:
    for wrong in (3, 2, 1):
        with pytest.raises(CacheError, match="a larger multiple of that is needed"):
            compact(cache, tmp_path / "out", wrong)
    with pytest.raises(CacheError, match="is not empty"):
        compact(cache, cache, 4)


# ------------------------------------------------------------------------------------------- what a reviewer would try


def test_ids_of_the_archive_are_taken_and_wrong_ones_refused(tmp_path: Path) -> None:
    path = tmp_path / "v.npz"
    for ids in (np.array(["a", "b", "ü", "d", "e"]), np.array([b"a", b"b", b"c", b"d", b"e"])):
        np.savez(path, prob=volumes(), image_ids=ids)
        expected = [value.decode() if isinstance(value, bytes) else value for value in ids.tolist()]
        assert open_volumes(path).image_ids == expected
    for wrong in (np.array(["a", "b"]), np.arange(5), np.array(["a"] * 5, dtype=object)):
        np.savez(path, prob=volumes(), image_ids=wrong)
        with pytest.raises(CacheError, match=r"image_ids is .*; 5 texts are needed"):
            open_volumes(path)


def test_a_damaged_archive_is_named(tmp_path: Path) -> None:
    path = as_npz(tmp_path, volumes())
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(CacheError, match=r"v\.npz: cannot be read as \.npz"):
        open_volumes(path)
    damaged = bytearray(whole)
    damaged[2000] ^= 0xFF
    path.write_bytes(damaged)
    with pytest.raises(CacheError, match=r"v\.npz"):
        import_volumes(open_volumes(path, key="prob"), tmp_path / "cache", NAMES)


def test_one_wrong_bit_in_an_archive_is_noticed_at_its_end(tmp_path: Path) -> None:
    np.savez(tmp_path / "v.npz", prob=volumes())
    damaged = bytearray((tmp_path / "v.npz").read_bytes())
    damaged[len(damaged) // 2] ^= 1  # of a probability's last digits, or nearly
    (tmp_path / "v.npz").write_bytes(damaged)
    found = open_volumes(tmp_path / "v.npz")
    with pytest.raises(CacheError, match=r"v\.npz: image 4 of prob\.npy is damaged"):
        for number in range(5):
            found.read(number)


def test_other_members_of_an_archive_are_no_concern(tmp_path: Path) -> None:
    path = as_npz(tmp_path, volumes())
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("readme.txt", "not an array")
    assert open_volumes(path).shape == (4, 12, 20)


@pytest.mark.parametrize("classes", [1, 256])
def test_a_number_of_classes_that_labels_cannot_hold_is_refused(tmp_path: Path, classes: int) -> None:
    np.save(tmp_path / "v.npy", np.full((1, classes, 4, 4), 1 / classes, np.float32))
    with pytest.raises(CacheError, match=f"a cache holds 2 to 255 classes .*, not {classes}"):
        import_volumes(open_volumes(tmp_path / "v.npy"), tmp_path / "cache", tuple(map(str, range(classes))))


@pytest.mark.parametrize("shape", [(0, 4, 6, 6), (2, 4, 0, 6)])
def test_nothing_is_no_cache(tmp_path: Path, shape: tuple[int, ...]) -> None:
    np.save(tmp_path / "v.npy", np.zeros(shape, np.float32))
    with pytest.raises(CacheError, match="has nothing to hold"):
        import_volumes(open_volumes(tmp_path / "v.npy"), tmp_path / "cache", NAMES)


def test_an_overshoot_of_resampling_is_cut_and_more_is_refused(tmp_path: Path) -> None:
    prob_NCHW = volumes()
    prob_NCHW[0, 0, 0, 0] = -1e-6
    import_volumes(open_volumes(as_npy(tmp_path, prob_NCHW)), tmp_path / "cache", NAMES)
    assert float(CacheReader(tmp_path / "cache").probability(0).min()) == 0
    prob_NCHW[0, 0, 0, 0] = -0.01
    with pytest.raises(CacheError, match=r"smallest value -0\.01"):
        import_volumes(open_volumes(as_npy(tmp_path, prob_NCHW)), tmp_path / "other", NAMES)


def test_another_array_or_part_size_is_another_cache(tmp_path: Path) -> None:
    np.savez(tmp_path / "v.npz", a=volumes(), b=volumes()[::-1].copy())
    import_volumes(open_volumes(tmp_path / "v.npz", key="a"), tmp_path / "cache", NAMES, part_images=2)
    before = {path.name: path.read_bytes() for path in (tmp_path / "cache").iterdir()}
    for key, part_images in (("b", 2), ("a", 3), ("a", 5)):
        with pytest.raises(CacheError, match="another"):
            import_volumes(
                open_volumes(tmp_path / "v.npz", key=key), tmp_path / "cache", NAMES, part_images=part_images
            )
    assert {path.name: path.read_bytes() for path in (tmp_path / "cache").iterdir()} == before


def test_compact_does_not_seal_damaged_data(tmp_path: Path, cache: Path) -> None:
    part = cache / "part-00001.h5"
    damaged = bytearray(part.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    part.write_bytes(damaged)
    with pytest.raises(CacheError, match=r"part-00001\.h5: is damaged"):
        compact(cache, tmp_path / "compact", 4)


@pytest.mark.parametrize("profile", ["float32", "probabilities"])
def test_sums_that_are_off_are_divided_out_and_then_all_is_of_distributions(tmp_path: Path, profile: str) -> None:
    """As bytes over 255 are off: their sums lie below 1."""
    off = np.floor(255 * volumes()) / 255
    off[off.sum(axis=1, keepdims=True).repeat(4, axis=1) < 0.96] = 0.25
    true = off / off.sum(axis=1, keepdims=True)
    import_volumes(open_volumes(as_npy(tmp_path, off.astype(np.float32))), tmp_path / "c", NAMES, profile=profile)
    index, reader = CacheIndex(tmp_path / "c"), CacheReader(tmp_path / "c")
    np.testing.assert_allclose(reader.probability(0).sum(axis=0), 1, atol=1e-6)
    terms = true * np.log(np.where(true > 0, true, 1))
    np.testing.assert_allclose(index.statistic("entropy_mean"), -terms.sum(axis=1).mean(axis=(1, 2)), rtol=1e-5)
    np.testing.assert_allclose(
        index.statistic("confidence_sum").sum(axis=1), true.max(axis=1).sum(axis=(1, 2)), rtol=1e-6
    )


def test_rounding_is_no_reason_to_touch_a_value(tmp_path: Path) -> None:
    half = volumes().astype(np.float16)
    assert 1e-4 < np.abs(half.astype(np.float32).sum(axis=1) - 1).max() < 1e-3
    import_volumes(open_volumes(as_npy(tmp_path, half)), tmp_path / "c", NAMES)
    np.testing.assert_array_equal(CacheReader(tmp_path / "c").probability(2), half[2].astype(np.float32))


@pytest.mark.parametrize("write", [as_npy, as_npz])
def test_an_array_with_the_classes_last_is_taken_when_it_is_said(tmp_path: Path, write: Write) -> None:
    path = write(tmp_path, np.ascontiguousarray(volumes().transpose(0, 2, 3, 1)))
    with pytest.raises(CacheError, match=r"does not sum to 1 over its 12 classes .* use --layout hwc"):
        import_volumes(open_volumes(path, key="prob"), tmp_path / "wrong", tuple(map(str, range(12))))
    found = open_volumes(path, key="prob", layout="hwc")
    assert found.shape == (4, 12, 20)
    import_volumes(found, tmp_path / "cache", NAMES)
    np.testing.assert_array_equal(CacheReader(tmp_path / "cache").probability(3), volumes()[3])


def test_names_that_are_no_utf8_are_named(tmp_path: Path) -> None:
    folder = tmp_path / "volumes"
    folder.mkdir()
    np.save(folder / "a.npy", volumes(1)[0])
    (folder / "a.npy").rename(os.fsdecode(os.fsencode(folder) + b"/Z\xfcrich.npy"))
    np.savez(tmp_path / "v.npz", prob=volumes(1), image_ids=np.array([b"Z\xfcrich"]))
    for path in (folder, tmp_path / "v.npz"):
        with pytest.raises(CacheError, match=r"Z\\udcfcrich.*: this name is not UTF-8; rename"):
            open_volumes(path)


def test_what_is_no_array_is_told_from_what_would_run(tmp_path: Path) -> None:
    (tmp_path / "pointer.npy").write_text("version https://git-lfs.github.com/spec/v1\n")
    with pytest.raises(CacheError, match="its content is another format's"):
        open_volumes(tmp_path / "pointer.npy")
    np.savez(tmp_path / "images.npz", first=volumes()[0], second=volumes()[1])
    with pytest.raises(
        CacheError, match=r"\(N,C,H,W\) of floats is needed; it holds first float32 \(4, 12, 20\), second"
    ):
        open_volumes(tmp_path / "images.npz")


def test_a_folder_may_have_a_dot_in_its_name(tmp_path: Path) -> None:
    import_volumes(open_volumes(as_npy(tmp_path, volumes())), tmp_path / "cache", NAMES)
    reader = CacheReader(tmp_path / "cache")
    assert export_cache(reader, tmp_path / "labels-p0.2", "labels") == 5
    with pytest.raises(CacheError, match="exports go into"):
        export_cache(reader, tmp_path / "labels.h5", "labels")


@pytest.mark.parametrize("suffix", [".npy", ".npz"])
@pytest.mark.parametrize("shape", [(12, 20), (1, 12, 20), (12, 20, 1)], ids=str)
def test_one_channel_is_the_second_of_two_classes(tmp_path: Path, suffix: str, shape: tuple[int, ...]) -> None:
    crack_NHW = np.random.default_rng(1).random((3, 12, 20), dtype=np.float32)
    (tmp_path / "folder").mkdir()
    for number, crack_HW in enumerate(crack_NHW):
        path = tmp_path / "folder" / f"{number}{suffix}"
        if suffix == ".npy":
            np.save(path, crack_HW.reshape(shape))
        else:
            np.savez(path, prob=crack_HW.reshape(shape))
    found = open_volumes(tmp_path / "folder")
    assert (found.shape, found.image_ids) == ((2, 12, 20), ["0", "1", "2"])
    import_volumes(found, tmp_path / "cache", ("background", "crack"), workers=1)
    reader = CacheReader(tmp_path / "cache")
    for number, image_id in enumerate(reader.image_ids):
        prob_CHW = reader.probabilities(image_id)
        np.testing.assert_allclose(prob_CHW[1], crack_NHW[number], atol=1e-6)
        np.testing.assert_allclose(prob_CHW.sum(axis=0), 1, atol=1e-6)


@pytest.mark.parametrize("write", [as_npy, as_npz])
def test_arrays_of_one_channel_are_two_classes(tmp_path: Path, write: Write) -> None:
    crack_N1HW = np.random.default_rng(1).random((2, 1, 4, 6), dtype=np.float32)
    found = open_volumes(write(tmp_path, crack_N1HW), key="prob" if write is as_npz else None)
    assert found.shape == (2, 4, 6)
    np.testing.assert_allclose(found.read(1)[1], crack_N1HW[1, 0])


def test_one_channel_of_logits_is_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.full((4, 6), 3.0, np.float32))
    with pytest.raises(CacheError, match="smallest value -2"):
        import_volumes(open_volumes(tmp_path), tmp_path / "cache", ("no", "yes"), workers=1)


def test_a_folder_of_archives_with_several_arrays_needs_the_key(tmp_path: Path) -> None:
    prob_CHW = volumes(1)[0]
    np.savez(tmp_path / "a.npz", first=prob_CHW, second=prob_CHW)
    with pytest.raises(CacheError, match=r"a\.npz: holds first, second; name one with --key"):
        open_volumes(tmp_path)
    assert open_volumes(tmp_path, key="second").shape == prob_CHW.shape
    (tmp_path / "a.npz").write_bytes(b"PK\x03\x04 damaged")
    with pytest.raises(CacheError, match=r"a\.npz: cannot be read as \.npz"):
        open_volumes(tmp_path)
