"""HDF5 files of others read no other file and ask for no more memory than they can fill."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch

from pipeline.cache.index import CacheIndex
from pipeline.cache.maintenance import problems_of
from pipeline.cache.partial_index import PartialIndex
from pipeline.cache.schema import CacheError
from pipeline.common.errors import ReadableError
from pipeline.common.hdf5 import ForeignHdf5Error, open_hdf5
from pipeline.patches.file import PatchFile


def external_link(file: h5py.File, secret: Path) -> None:
    file["image_ids"] = h5py.ExternalLink(str(secret), "values")


def soft_link(file: h5py.File, _: Path) -> None:
    file["values"] = np.arange(3)
    file["image_ids"] = h5py.SoftLink("/values")


def virtual_dataset(file: h5py.File, secret: Path) -> None:
    layout = h5py.VirtualLayout((3,), "i8")
    layout[:] = h5py.VirtualSource(str(secret), "values", (3,))
    file.create_virtual_dataset("labels", layout)


def external_storage(file: h5py.File, secret: Path) -> None:
    file.create_dataset("inside/labels", (16,), "u1", external=[(str(secret), 0, 16)])


def enormous(file: h5py.File, _: Path) -> None:
    file.create_dataset("labels", (2**40,), "u1", chunks=(2**20,), compression="gzip")


HOSTILE: list[tuple[Callable[[h5py.File, Path], None], str]] = [
    (external_link, "image_ids is a link"),
    (soft_link, "image_ids is a link"),
    (virtual_dataset, "labels has its values in another file"),
    (external_storage, "inside/labels has its values in another file"),
    (enormous, r"labels claims 1.1e\+12 bytes"),
]


@pytest.mark.parametrize(("write", "words"), HOSTILE)
def test_what_reads_other_files_or_claims_too_much_is_refused(
    tmp_path: Path, write: Callable[[h5py.File, Path], None], words: str
) -> None:
    secret, path = tmp_path / "secret.h5", tmp_path / "patches.h5"
    with h5py.File(secret, "w") as file:
        file["values"] = np.arange(3)
    with h5py.File(path, "w") as file:
        write(file, secret)
    with pytest.raises(ForeignHdf5Error, match=f"patches.h5: {words}"):
        open_hdf5(path)
    with pytest.raises(ReadableError, match=words):
        PatchFile(path)


def test_what_holds_its_own_values_is_read(tmp_path: Path) -> None:
    path = tmp_path / "own.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("group/zeros", data=np.zeros((100, 2000, 100), np.uint8), compression="gzip")
        file["empty"] = np.zeros((0, 4))
        file["nothing"] = h5py.Empty("f4")
        file["text"] = ["a", "b"]
    with open_hdf5(path) as file:
        assert file["group/zeros"].shape == (100, 2000, 100)


@pytest.fixture
def part(tmp_path: Path, write_cache: Callable[..., Path]) -> Path:
    logits_NChw = torch.randn((1, 3, 2, 4), generator=torch.Generator().manual_seed(0))
    return write_cache(tmp_path / "cache", logits_NChw, (4, 8), ["a"]) / "part-00000.h5"


def test_a_part_that_leads_elsewhere_is_refused_by_all_who_read_caches(part: Path) -> None:
    with h5py.File(part, "a") as file:
        del file["label"]
        file["label"] = h5py.ExternalLink("/etc/secret.h5", "values")
    for read in (CacheIndex, PartialIndex):
        with pytest.raises(CacheError, match=r"part-00000\.h5: label is a link"):
            read(part.parent)
    assert len(problems_of(part.parent)) == 1


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("size", "large"),
        ("size", [1, 2, 3]),
        ("views", "[[["),
        ("views", '[{"scale": 1, "run": "x"}]'),
        ("class_names", 5),
        ("images_of_the_cache", "many"),
        ("fingerprint", None),
    ],
)
def test_attributes_that_are_not_a_cache_s_are_refused_in_words(part: Path, name: str, value: object) -> None:
    with h5py.File(part, "a") as file:
        del file.attrs[name]
        if value is not None:
            file.attrs[name] = value
    with pytest.raises(CacheError, match=r"part-00000\.h5: its attributes are not those of a cache"):
        CacheIndex(part.parent)


def test_ids_that_are_not_text_are_refused_in_words(part: Path) -> None:
    with h5py.File(part, "a") as file:
        del file["image_ids"]
        file["image_ids"] = np.array([[1.5]])
    with pytest.raises(CacheError, match=r"part-00000\.h5: has no ids of images"):
        CacheIndex(part.parent)
