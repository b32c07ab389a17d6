"""One part of a cache: what is written is read, equal content is equal bytes, and a broken part is named."""

from __future__ import annotations

import struct
import time
from pathlib import Path

import h5py
import numpy as np
import pytest

from pipeline.cache.parts import PartContent, is_finished, open_part, part_name, read_ids, read_spec, write_part
from pipeline.cache.schema import ABOUT, PER_CLASS_STATISTICS, CacheError, CacheSpec

SPEC = CacheSpec("model-a", ("road", "sky", "car"), (6, 8), "bilinear", True)


def content(images: int = 2) -> PartContent:
    generator = np.random.default_rng(0)
    return PartContent(
        image_ids=[f"zürich/{number}" for number in range(images)],
        logits_NVChw=generator.standard_normal((images, 1, 3, 2, 4)).astype(np.float32),
        label_NHW=generator.integers(0, 3, (images, 6, 8)).astype(np.uint8),
        entropy_NHW=generator.integers(0, 256, (images, 6, 8)).astype(np.uint8),
        statistics={name: generator.random((images, 3)) for name in PER_CLASS_STATISTICS},
    )


def test_what_is_written_is_read(tmp_path: Path) -> None:
    path, written = tmp_path / part_name(0), content()
    write_part(path, SPEC, written)
    with open_part(path) as file:
        assert read_spec(file) == SPEC
        assert read_ids(file) == written.image_ids
        np.testing.assert_array_equal(file["logits"][:], written.logits_NVChw)
        np.testing.assert_array_equal(file["label"][:], written.label_NHW)
        np.testing.assert_array_equal(file["entropy"][:], written.entropy_NHW)
        for name in PER_CLASS_STATISTICS:
            np.testing.assert_array_equal(file[f"statistics/{name}"][:], written.statistics[name])
            assert file[f"statistics/{name}"].attrs["about"] == ABOUT[f"statistics/{name}"]


def test_equal_content_gives_equal_bytes(tmp_path: Path) -> None:
    for name in ("a.h5", "b.h5"):
        write_part(tmp_path / name, SPEC, content())
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()


def test_nothing_in_a_part_knows_the_time(tmp_path: Path) -> None:
    before = int(time.time())
    write_part(tmp_path / "a.h5", SPEC, content())
    written = (tmp_path / "a.h5").read_bytes()
    for second in range(before, int(time.time()) + 1):
        assert struct.pack("<I", second) not in written  # as HDF5 would note when an object was made


def test_an_exception_while_writing_leaves_no_part(tmp_path: Path) -> None:
    broken = content()._replace(statistics={})
    with pytest.raises(KeyError):
        write_part(tmp_path / part_name(0), SPEC, broken)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("share", [0.0, 0.3, 0.99])
def test_a_truncated_part_is_named(tmp_path: Path, share: float) -> None:
    path = tmp_path / part_name(0)
    write_part(path, SPEC, content())
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(CacheError, match=r"part-00000\.h5: cannot be read as HDF5 .* run the dump again"):
        open_part(path)
    assert not is_finished(path, SPEC, content().image_ids)


def test_a_missing_part_is_named(tmp_path: Path) -> None:
    with pytest.raises(CacheError, match=r"part-00007\.h5: this part of the cache is missing; run the dump again"):
        open_part(tmp_path / part_name(7))


def test_a_part_of_another_schema_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / part_name(0)
    write_part(path, SPEC, content())
    with h5py.File(path, "r+") as file:
        file.attrs["roundabout_cache_version"] = 2
    with pytest.raises(CacheError, match=r"part-00000\.h5: cache schema version 2, this program reads version 1"):
        open_part(path)


def test_a_flipped_bit_in_the_logits_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / part_name(0)
    write_part(path, SPEC, content())
    with h5py.File(path) as file:
        chunk = file["logits"].id.get_chunk_info(0)
    bytes_of_part = bytearray(path.read_bytes())
    bytes_of_part[chunk.byte_offset + chunk.size // 2] ^= 0x10
    path.write_bytes(bytes_of_part)
    with open_part(path) as file, pytest.raises(OSError, match="read"):
        file["logits"][0]


def test_a_finished_part_is_known_by_its_images(tmp_path: Path) -> None:
    path, ids = tmp_path / part_name(0), content().image_ids
    assert not is_finished(path, SPEC, ids)
    write_part(path, SPEC, content())
    assert is_finished(path, SPEC, ids)
    assert not is_finished(path, SPEC, ids[:1])
    assert not is_finished(path, SPEC, ids[::-1])


def test_a_part_of_another_model_is_not_overwritten_but_refused_naming_both(tmp_path: Path) -> None:
    path = tmp_path / part_name(0)
    write_part(path, SPEC, content())
    other = CacheSpec("model-b", *[getattr(SPEC, name) for name in ("class_names", "size", "upsample_mode")], True)
    with pytest.raises(CacheError, match=r"part-00000\.h5: was made by model-a, this dump is model-b"):
        is_finished(path, other, content().image_ids)
