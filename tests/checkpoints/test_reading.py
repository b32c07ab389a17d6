"""Opening files of weights: every format, and nothing that could run code."""

from __future__ import annotations

import argparse
import io
import os
import pickle
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from pipeline.checkpoints.reading import read_checkpoint_file
from pipeline.models.model_file import ModelFileError

STATE = {"a.weight": torch.arange(6.0).reshape(2, 3), "a.bias": torch.ones(2)}


class Malicious:
    """Runs a command when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch {self.mark}",)


def assert_state(path: Path, inside: str = "") -> None:
    file = read_checkpoint_file(path)
    assert list(file.tensors) == list(STATE)
    assert all(torch.equal(file.tensors[key], STATE[key]) for key in STATE)
    assert file.inside == inside


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])
def test_torch_files_old_and_new(tmp_path: Path, zipped: bool) -> None:
    torch.save(STATE, tmp_path / "a.pth", _use_new_zipfile_serialization=zipped)
    assert_state(tmp_path / "a.pth")
    assert ("zip" in read_checkpoint_file(tmp_path / "a.pth").container) is zipped


def test_safetensors(tmp_path: Path) -> None:
    save_file(STATE, tmp_path / "a.safetensors")
    file = read_checkpoint_file(tmp_path / "a.safetensors")
    assert {key: value.tolist() for key, value in file.tensors.items()} == {k: v.tolist() for k, v in STATE.items()}
    (tmp_path / "a.safetensors").write_bytes((tmp_path / "a.safetensors").read_bytes()[:-3])
    with pytest.raises(ModelFileError, match=r"a\.safetensors: is not a complete safetensors file"):
        read_checkpoint_file(tmp_path / "a.safetensors")


@pytest.mark.parametrize(
    ("content", "inside"),
    [
        ({"state_dict": STATE, "epoch": 3}, "state_dict"),
        ({"epoch": 3, "model": STATE, "optimizer": {"state": {0: torch.ones(1)}, "param_groups": []}}, "model"),
        ({"ema": {"x": torch.zeros(1)}, "state_dict": STATE}, "state_dict"),
        ({"model": {"state_dict": STATE, "best": 0.5}}, "model.state_dict"),
        ({"generator": STATE, "step": torch.tensor(3)}, "generator"),
        ({"state_dict": STATE, "best_miou": torch.tensor(0.5)}, "state_dict"),
        ({"best": torch.tensor(0.5), "epoch": torch.tensor(3), "optimizer": {"state": {}}, "net": STATE}, "net"),
        ({**STATE, "optimizer": {"momentum": torch.ones(1)}}, ""),
    ],
)
def test_nested_dicts(tmp_path: Path, content: dict[str, Any], inside: str) -> None:
    torch.save(content, tmp_path / "a.pth")
    assert_state(tmp_path / "a.pth", inside)


def test_arguments_and_numpy_s_scalars_beside_the_weights_do_no_harm(tmp_path: Path) -> None:
    content = {"state_dict": STATE, "args": argparse.Namespace(lr=0.1), "miou": np.float64(0.5)}
    torch.save(content, tmp_path / "a.pth")
    assert_state(tmp_path / "a.pth", "state_dict")
    assert read_checkpoint_file(tmp_path / "a.pth").beside == ["args", "miou"]


def test_numbers_of_numpy_1_do_no_harm_either(tmp_path: Path) -> None:
    torch.save({"state_dict": STATE, "miou": np.float64(0.5)}, tmp_path / "a.pth", _use_new_zipfile_serialization=False)
    data = (tmp_path / "a.pth").read_bytes()
    assert b"cnumpy._core.multiarray\nscalar\n" in data
    data = data.replace(b"cnumpy._core.multiarray\nscalar\n", b"cnumpy.core.multiarray\nscalar\n")  # as it was called
    (tmp_path / "a.pth").write_bytes(data)
    assert_state(tmp_path / "a.pth", "state_dict")


def test_a_checkpoint_with_code_is_refused_and_nothing_is_run(tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    content = {"state_dict": STATE, "extra": Malicious(mark)}
    torch.save(content, tmp_path / "zip.pth")
    torch.save(content, tmp_path / "legacy.pth", _use_new_zipfile_serialization=False)
    for name in ("zip.pth", "legacy.pth"):
        with pytest.raises(ModelFileError, match=rf"{name}: is refused: .* posix\.system, .* Nothing of it was run"):
            read_checkpoint_file(tmp_path / name)
    assert not mark.exists()


@pytest.mark.parametrize("protocol", [0, 2, 4, 5])
def test_a_bare_pickle_with_code_is_refused_and_nothing_is_run(tmp_path: Path, protocol: int) -> None:
    mark = tmp_path / "ran"
    (tmp_path / "a.pth").write_bytes(pickle.dumps(Malicious(mark), protocol=protocol))
    with pytest.raises(ModelFileError, match=r"a\.pth: is "):
        read_checkpoint_file(tmp_path / "a.pth")
    assert not mark.exists()
    assert pickle.loads((tmp_path / "a.pth").read_bytes()) == 0  # so it would have been, by an unsafe reader
    assert mark.exists()


def test_a_whole_module_is_refused_by_its_name(tmp_path: Path) -> None:
    torch.save(torch.nn.Linear(2, 2), tmp_path / "a.pth")
    with pytest.raises(ModelFileError, match=r"namely torch\.nn\.modules\.linear\.Linear"):
        read_checkpoint_file(tmp_path / "a.pth")


def test_the_tar_of_old_torch_is_refused_with_a_reason(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "a.pth", "w") as tar:
        tar.addfile(tarfile.TarInfo("pickle"), io.BytesIO(b""))
    with pytest.raises(ModelFileError, match=r"is of PyTorch before 0\.4 \(a tar\)"):
        read_checkpoint_file(tmp_path / "a.pth")


def test_files_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match=r"none\.pth: there is no such file"):
        read_checkpoint_file(tmp_path / "none.pth")
    (tmp_path / "empty.pth").touch()
    with pytest.raises(ModelFileError, match=r"empty\.pth: is an empty file"):
        read_checkpoint_file(tmp_path / "empty.pth")
    (tmp_path / "text.pth").write_text("hello, I am a text")
    with pytest.raises(ModelFileError, match=r"text\.pth: is not a checkpoint .* or it is truncated or damaged"):
        read_checkpoint_file(tmp_path / "text.pth")
    torch.save({"epoch": 3, "loss": 0.1}, tmp_path / "plain.pth")
    with pytest.raises(ModelFileError, match=r"plain\.pth: holds no tensors by name; it holds epoch, loss"):
        read_checkpoint_file(tmp_path / "plain.pth")


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])
def test_truncated_files_say_so(tmp_path: Path, zipped: bool) -> None:
    torch.save({"a": torch.zeros(1000)}, tmp_path / "a.pth", _use_new_zipfile_serialization=zipped)
    data = (tmp_path / "a.pth").read_bytes()
    for kept in (20, len(data) // 2, len(data) - 10):
        (tmp_path / "a.pth").write_bytes(data[:kept])
        with pytest.raises(ModelFileError, match=r"a\.pth: is "):
            read_checkpoint_file(tmp_path / "a.pth")
