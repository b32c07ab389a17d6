"""patches.h5: what is written is read, and a failure leaves no file."""

from __future__ import annotations

import pickle
from pathlib import Path

import h5py
import numpy as np
import pytest

from pipeline.common.box import Box
from pipeline.patches.file import PatchFile, PatchWriter

GENERATOR = np.random.default_rng(0)
WINDOWS = [GENERATOR.integers(0, 256, (2, 3, 3)).astype(np.uint8) for _ in range(3)]
LABELS = [GENERATOR.integers(0, 256, (4, 6)).astype(np.uint8) for _ in range(3)]
IDS = ["a", "zürich/b", "a"]


def write(path: Path) -> None:
    with PatchWriter(path, ("road", "sky")) as writer:
        for number in range(3):
            writer.add(IDS[number], Box(number, 1, 2, 3), WINDOWS[number], LABELS[number])
        assert writer.count == 3
        assert not path.exists()


def test_what_is_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "new" / "patches.h5"
    write(path)
    patches = PatchFile(path)
    assert len(patches) == 3
    assert [patches.id(number) for number in range(3)] == IDS
    for number in (2, 0, 1):
        np.testing.assert_array_equal(patches.image(number), WINDOWS[number])
        np.testing.assert_array_equal(patches.label(number), LABELS[number])
    with h5py.File(path) as file:
        assert file["boxes"][:].tolist() == [[0, 1, 2, 3], [1, 1, 2, 3], [2, 1, 2, 3]]
        assert list(file.attrs["class_names"]) == ["road", "sky"]


def test_equal_patches_are_equal_bytes(tmp_path: Path) -> None:
    write(tmp_path / "a.h5")
    write(tmp_path / "b.h5")
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()


def test_an_exception_leaves_no_file(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="killed"), PatchWriter(tmp_path / "patches.h5", ("road",)) as writer:
        writer.add("a", Box(0, 0, 2, 3), WINDOWS[0], LABELS[0])
        raise RuntimeError("killed")
    assert list(tmp_path.iterdir()) == []


def test_a_file_without_patches_is_readable(tmp_path: Path) -> None:
    with PatchWriter(tmp_path / "patches.h5", ("road",)):
        pass
    assert len(PatchFile(tmp_path / "patches.h5")) == 0


def test_another_process_opens_its_own_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "patches.h5")
    patches = PatchFile(tmp_path / "patches.h5")
    patches.label(0)
    assert patches._open is not None
    opened = patches._open[1]
    monkeypatch.setattr("os.getpid", lambda: -1)
    patches.label(0)
    assert patches._open[1] is not opened


def test_a_patch_file_that_was_not_used_yet_travels(tmp_path: Path) -> None:
    write(tmp_path / "patches.h5")
    copy = pickle.loads(pickle.dumps(PatchFile(tmp_path / "patches.h5")))
    np.testing.assert_array_equal(copy.label(1), LABELS[1])
