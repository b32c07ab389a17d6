"""What people have in the place of weights: each is called by its name."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tarfile
import zipfile
from pathlib import Path

import pytest
import torch

from pipeline.checkpoints.reading import read_checkpoint_file
from pipeline.models.model_file import ModelFileError


def zipped(**files: str) -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return data.getvalue()


def tarred(name: str) -> bytes:
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as archive:
        archive.addfile(tarfile.TarInfo(name), io.BytesIO())
    return data.getvalue()


CONTENT = {
    "page": (b"<!DOCTYPE html><html><head><title>Drive -\n Virus scan</title>", r"a web page \('Drive - Virus scan'\)"),
    "login": (b"\n  <HTML><body>Sign in</body></HTML>", r"a web page, not weights: .*gdown"),
    "denied": (b'<?xml version="1.0"?><Error><Code>AccessDenied</Code>', "a web page"),
    "pointer": (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n", "Git LFS.*`git lfs pull`"),
    "gzip": (gzip.compress(b"x"), r"packed with gzip: unpack it \(`gunzip weights"),
    "bzip2": (bz2.compress(b"x"), "packed with bzip2"),
    "xz": (lzma.compress(b"x"), "packed with xz"),
    "zstd": (b"\x28\xb5\x2f\xfd\x00", "packed with zstd"),
    "index": (b'{"metadata": {}, "weight_map": {"a": "1.safetensors"}}', "index of safetensors in several files"),
    "error": (b'{"message": "Not Found"}', "is JSON, not weights"),
    "zip": (zipped(**{"run/best.pth": "", "run/log.txt": ""}), r"a zip archive that holds run/best\.pth, run/log\.txt"),
    "empty-zip": (zipped(), "a zip archive that is empty"),
    "tar": (tarred("run/best.pth"), r"a tar archive that holds run/best\.pth.*`tar xf weights"),
    "keras": (b"\x89HDF\r\n\x1a\n", "an HDF5 file"),
    "picture": (b"\x89PNG\r\n\x1a\n", "is a picture"),
    "empty": (b"", "an empty file, .*fetch it again"),
}


@pytest.mark.parametrize("name", CONTENT)
def test_every_such_file_is_called_by_its_name(tmp_path: Path, name: str) -> None:
    data, said = CONTENT[name]
    path = tmp_path / "weights.pth"
    path.write_bytes(data)
    with pytest.raises(ModelFileError, match=rf"weights\.pth: is .*{said.removeprefix('is ')}"):
        read_checkpoint_file(path)


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match="is a folder; name the file of weights in it"):
        read_checkpoint_file(tmp_path)


def test_torch_s_own_archives_are_not_taken_for_others(tmp_path: Path) -> None:
    torch.save({"a": torch.ones(2)}, tmp_path / "a.pth")
    assert list(read_checkpoint_file(tmp_path / "a.pth").tensors) == ["a"]
