"""One part of a cache: what is written is read, equal content is equal bytes, and a broken part is named."""

from __future__ import annotations

import struct
import time
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest

from pipeline.cache.codec import CONFIDENCE_OF_CODE
from pipeline.cache.encode import EncodedImage, empty_histograms, encode_logits, encode_probabilities
from pipeline.cache.parts import is_finished, open_part, part_name, read_ids, read_spec, verify_part, write_part
from pipeline.cache.schema import ABOUT, ALL_STATISTICS, CacheError, CacheSpec, View

SPEC = CacheSpec("model-a", ("road", "sky", "car"), (36, 48), "logits", 2, 2, align_corners=True, origin="runs/a")
VOLUMES = replace(SPEC, profile="probabilities")
IDS = ["zürich/0", "zürich/10"]


def logits() -> list[np.ndarray]:
    generator = np.random.default_rng(0)
    return [3 * generator.standard_normal((3, 5, 7)).astype(np.float32) for _ in IDS]


def volumes() -> list[np.ndarray]:
    scores = np.exp(4 * np.random.default_rng(1).standard_normal((2, 3, 36, 48)))
    return list((scores / scores.sum(axis=1, keepdims=True)).astype(np.float32))


def images(spec: CacheSpec = SPEC) -> list[EncodedImage]:
    if spec.profile == "logits":
        return [encode_logits(i, [low] * len(spec.views), spec) for i, low in zip(IDS, logits(), strict=True)]
    return [encode_probabilities(i, volume, spec) for i, volume in zip(IDS, volumes(), strict=True)]


def write(folder: Path, spec: CacheSpec = SPEC) -> Path:
    counts = empty_histograms(3)
    made = images(spec)
    for image in made:
        image.count_into(counts)
    write_part(folder, spec, 0, IDS, made, counts)
    return folder / part_name(0)


def test_what_is_written_is_read(tmp_path: Path) -> None:
    spec = replace(SPEC, views=(View(), View(0.5, True)))
    with open_part(write(tmp_path, spec)) as file:
        assert read_spec(file) == spec
        assert read_ids(file) == IDS
        np.testing.assert_array_equal(file["logits/1"][:], np.stack(logits()))
        assert dict(file["logits/0.5-flip"].attrs.items())["flip"]
        for number, image in enumerate(images(spec)):
            assert image.planes is not None
            np.testing.assert_array_equal(file["label"][number], image.planes.label_HW)
            expected = 5 * np.rint(image.planes.entropy_HW * (51 / np.log(3)))
            np.testing.assert_array_equal(file["entropy"][number], expected)
            for name in ALL_STATISTICS:
                np.testing.assert_array_equal(file[f"statistics/{name}"][number], image.statistics[name])
        assert int(file["histograms/confidence"][:].sum()) == 2 * 36 * 48


def test_a_volume_is_stored_as_roots_with_exact_labels_and_close_confidences(tmp_path: Path) -> None:
    with open_part(write(tmp_path, VOLUMES)) as file:
        prob_NCHW = np.stack(volumes())
        np.testing.assert_array_equal(file["probability_roots"][:], np.rint(255 * np.sqrt(prob_NCHW)))
        np.testing.assert_array_equal(file["label"][:], prob_NCHW.argmax(axis=1))
        stored, true = CONFIDENCE_OF_CODE[file["confidence_code"][:]], prob_NCHW.max(axis=1)
        assert np.abs(stored - true).max() < 5e-5


def datasets_of(file: h5py.File) -> list[str]:
    found: list[str] = []
    file.visititems(lambda name, item: found.append(name) if isinstance(item, h5py.Dataset) else None)
    return found


def test_every_dataset_says_what_it_is(tmp_path: Path) -> None:
    for spec in (SPEC, VOLUMES):
        with h5py.File(write(tmp_path / spec.profile, spec)) as file:
            found = datasets_of(file)
            for name in found:
                assert file[name].attrs["about"] in ABOUT.values(), name
            assert len(found) > 10


def test_any_hdf5_reader_opens_it_without_plugins(tmp_path: Path) -> None:
    with h5py.File(write(tmp_path)) as file:
        assert {file[name].compression for name in datasets_of(file)} == {"gzip"}
        assert file["logits/1"].shuffle
        assert file["logits/1"].fletcher32


@pytest.mark.parametrize("spec", [SPEC, VOLUMES])
def test_equal_content_gives_equal_bytes(tmp_path: Path, spec: CacheSpec) -> None:
    assert write(tmp_path / "a", spec).read_bytes() == write(tmp_path / "b", spec).read_bytes()


def test_nothing_in_a_part_knows_the_time(tmp_path: Path) -> None:
    before = int(time.time())
    written = write(tmp_path).read_bytes()
    for second in range(before, int(time.time()) + 1):
        assert struct.pack("<I", second) not in written  # as HDF5 would note when an object was made


def test_an_exception_while_writing_leaves_no_part(tmp_path: Path) -> None:
    broken = [image._replace(statistics={}) for image in images()]
    with pytest.raises(KeyError):
        write_part(tmp_path, SPEC, 0, IDS, broken, empty_histograms(3))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("share", [0.0, 0.3, 0.5, 0.99])
def test_a_truncated_part_is_named(tmp_path: Path, share: float) -> None:
    path = write(tmp_path)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(CacheError, match=r"part-00000\.h5: is cut: its end is missing .* run the dump again"):
        verify_part(path)
    assert not is_finished(path, SPEC, IDS)


def test_cut_in_the_middle_it_cannot_be_opened(tmp_path: Path) -> None:
    path = write(tmp_path)
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(CacheError, match=r"part-00000\.h5: cannot be read as HDF5 .* run the dump again"):
        open_part(path)


def test_any_flipped_bit_is_noticed(tmp_path: Path) -> None:
    path = write(tmp_path)
    whole = path.read_bytes()
    verify_part(path)
    generator = np.random.default_rng(0)
    for place in [0, len(whole) - 1, *generator.integers(0, len(whole), 50)]:
        damaged = bytearray(whole)
        damaged[place] ^= 1 << int(generator.integers(0, 8))
        path.write_bytes(damaged)
        with pytest.raises(CacheError, match=r"part-00000\.h5: is (damaged|cut)"):
            verify_part(path)
        assert not is_finished(path, SPEC, IDS)


def test_a_missing_part_is_named(tmp_path: Path) -> None:
    for read in (open_part, verify_part):
        with pytest.raises(CacheError, match=r"part-00007\.h5: this part of the cache is missing; run the dump again"):
            read(tmp_path / part_name(7))


def test_a_part_of_another_schema_version_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path)
    with h5py.File(path, "r+") as file:
        file.attrs["roundabout_cache_version"] = 1
    with pytest.raises(CacheError, match=r"part-00000\.h5: cache schema version 1, this program reads version 2"):
        open_part(path)


def test_a_flipped_bit_in_the_logits_is_an_error_when_they_are_read(tmp_path: Path) -> None:
    path = write(tmp_path)
    with h5py.File(path) as file:
        chunk = file["logits/1"].id.get_chunk_info(0)
    bytes_of_part = bytearray(path.read_bytes())
    bytes_of_part[chunk.byte_offset + chunk.size // 2] ^= 0x10
    path.write_bytes(bytes_of_part)
    with open_part(path) as file, pytest.raises(OSError, match="read"):
        file["logits/1"][0]


def test_a_finished_part_is_known_by_its_images(tmp_path: Path) -> None:
    path = tmp_path / part_name(0)
    assert not is_finished(path, SPEC, IDS)
    write(tmp_path)
    assert is_finished(path, SPEC, IDS)
    assert not is_finished(path, SPEC, IDS[:1])
    assert not is_finished(path, SPEC, IDS[::-1])


def test_a_part_of_another_model_is_not_overwritten_but_refused_naming_both(tmp_path: Path) -> None:
    other = replace(SPEC, fingerprint="model-b", origin="runs/b")
    with pytest.raises(
        CacheError, match=r"part-00000\.h5: was written by model-a \(runs/a\), this dump is model-b \(runs/b\)"
    ):
        is_finished(write(tmp_path), other, IDS)


def test_images_of_different_shape_are_refused(tmp_path: Path) -> None:
    first, second = images()
    larger = replace(SPEC, size=(36, 56))
    second = encode_logits("b", [logits()[1]], larger)
    with pytest.raises(CacheError, match="label: the images differ in shape"):
        write_part(tmp_path, SPEC, 0, IDS, [first, second], empty_histograms(3))
