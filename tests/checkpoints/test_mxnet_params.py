"""MXNet's list of arrays, byte by byte."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
import torch

from pipeline.checkpoints.mxnet_params import read_mxnet, write_mxnet
from pipeline.models.model_file import ModelFileError

VALUES = np.arange(6, dtype="<f4").reshape(2, 3)


def file_of(array: bytes, names: list[bytes] | None = None, count: int = 1) -> bytes:
    named = [b"arg:a_weight"] if names is None else names
    text = b"".join(struct.pack("<Q", len(name)) + name for name in named)
    return struct.pack("<QQQ", 0x112, 0, count) + array + struct.pack("<Q", len(named)) + text


def dense(magic: int, shape: tuple[int, ...] = (2, 3), kind: int = 0, data: bytes = VALUES.tobytes()) -> bytes:
    """One array as each version of MXNet wrote it; magic 0 is the time before there was any."""
    head = struct.pack("<Ii", magic, 0) if magic >= 0xF993FAC9 else struct.pack("<I", magic) if magic else b""
    letter = "q" if magic else "I"
    return head + struct.pack(f"<I{len(shape)}{letter}", len(shape), *shape) + struct.pack("<iii", 1, 0, kind) + data


@pytest.mark.parametrize("magic", [0, 0xF993FAC8, 0xF993FAC9, 0xF993FACA], ids=["0.9", "0.11", "1.x", "numpy shapes"])
def test_every_version_of_the_format(tmp_path: Path, magic: int) -> None:
    (tmp_path / "a.params").write_bytes(file_of(dense(magic)))
    assert {name: value.tolist() for name, value in read_mxnet(tmp_path / "a.params").items()} == {
        "arg:a_weight": VALUES.tolist()
    }


def test_what_is_written_is_read_and_is_what_mxnet_1_writes(tmp_path: Path) -> None:
    tensors = {"arg:a_weight": torch.from_numpy(VALUES.copy())}
    write_mxnet(tmp_path / "a.params", tensors)
    assert (tmp_path / "a.params").read_bytes() == file_of(dense(0xF993FAC9))
    assert torch.equal(read_mxnet(tmp_path / "a.params")["arg:a_weight"], tensors["arg:a_weight"])


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (file_of(dense(0xF993FAC9))[:-30], "ends early"),
        (file_of(dense(0xF993FAC9, data=VALUES.tobytes()[:-4])), "ends early|is not text|speaks of"),
        (file_of(dense(0xF993FAC9, shape=(2**40, 2**20))), "ends early"),
        (file_of(dense(0xF993FAC9, shape=(-1, 3))), "a negative side"),
        (file_of(dense(0xF993FAC9, kind=99)), "of an unknown type"),
        (file_of(struct.pack("<Ii", 0xF993FAC9, 1)), "a sparse array"),
        (file_of(struct.pack("<I", 1000)), "1000 axes"),
        (file_of(dense(0xF993FAC9), count=2**50), "speaks of"),
        (file_of(dense(0xF993FAC9), names=[]), "holds 1 arrays and 0 names"),
        (file_of(dense(0xF993FAC9), names=[b"\xff\xfe"]), "is not text"),
    ],
)
def test_damaged_files_say_so_without_asking_for_memory(tmp_path: Path, data: bytes, what: str) -> None:
    (tmp_path / "a.params").write_bytes(data)
    with pytest.raises(ModelFileError, match=rf"a\.params: .*({what})"):
        read_mxnet(tmp_path / "a.params")
