"""Settings beside the weights: read without running or importing anything."""

from __future__ import annotations

import argparse
import collections
import datetime
import os
import pathlib
import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from pipeline.checkpoints.reading import read_checkpoint_file
from pipeline.models.model_file import ModelFileError

STATE = {"a.weight": torch.ones(2, 3)}
SETTINGS = {
    "path": Path("runs/x"),
    "pure path": pathlib.PurePosixPath("x"),
    "arguments": argparse.Namespace(out=Path("x"), sizes=(1, 2)),
    "namespace": types.SimpleNamespace(rate=0.1),
    "defaultdict": collections.defaultdict(list, a=[1]),
    "deque": collections.deque([1, 2], maxlen=3),
    "number": np.float32(0.5),
    "array": np.arange(3.0),
    "bytes": np.zeros(2, np.uint8),
    "names": np.array(["road", "sky"]),
    "date": datetime.datetime(2024, 1, 2),
}


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])
@pytest.mark.parametrize("name", SETTINGS)
def test_harmless_settings_are_passed_over(tmp_path: Path, name: str, zipped: bool) -> None:
    content = {"state_dict": STATE, "args": SETTINGS[name]}
    torch.save(content, tmp_path / "a.pth", _use_new_zipfile_serialization=zipped)
    assert list(read_checkpoint_file(tmp_path / "a.pth").tensors) == ["a.weight"]


def test_a_path_of_windows_does_no_harm(tmp_path: Path) -> None:
    torch.save({"net": STATE, "out": pathlib.PureWindowsPath("C:/x")}, tmp_path / "a.pth")
    assert list(read_checkpoint_file(tmp_path / "a.pth").tensors) == ["a.weight"]


class Settings(dict[str, Any]):
    """Stands for a configuration's object; leaves a trace if it is built."""

    def __init__(self, trace: str) -> None:
        super().__init__()
        Path(trace).touch()

    def __reduce__(self) -> tuple[Any, ...]:
        return Settings, (str(TRACE),), {"content": 1}


TRACE = Path()


def saved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, library: str) -> Path:
    """A file whose settings are of a class of that library, which is not there when the file is read."""
    global TRACE
    TRACE = tmp_path / "trace"
    module = types.ModuleType(library)
    module.Settings = Settings  # type: ignore[attr-defined]
    monkeypatch.setattr(Settings, "__module__", library)
    for name in (library, library.partition(".")[0]):
        monkeypatch.setitem(sys.modules, name, module)
    settings = Settings(str(TRACE))
    torch.save({"state_dict": STATE, "cfg": settings}, tmp_path / "a.pth")
    TRACE.unlink()
    return tmp_path / "a.pth"


@pytest.mark.parametrize("library", ["omegaconf.dictconfig", "yacs.config", "mmengine.config"])
def test_settings_of_configuration_libraries_become_inert(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, library: str
) -> None:
    file = read_checkpoint_file(saved(tmp_path, monkeypatch, library))
    assert list(file.tensors) == ["a.weight"]
    assert file.beside == ["cfg"]
    assert not TRACE.exists()


def test_other_classes_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ModelFileError, match=r"namely my\.trainer\.Settings"):
        read_checkpoint_file(saved(tmp_path, monkeypatch, "my.trainer"))
    assert not TRACE.exists()


def test_nothing_that_runs_is_among_the_harmless(tmp_path: Path) -> None:
    """An object that pretends to be harmless by its own reduction is refused by the function that it calls."""

    class Pretender:
        def __reduce__(self) -> tuple[Any, ...]:
            return os.mkdir, (str(tmp_path / "made"),)

    torch.save({"state_dict": STATE, "args": argparse.Namespace(x=Pretender())}, tmp_path / "a.pth")
    with pytest.raises(ModelFileError, match="is refused: it holds more than weights"):
        read_checkpoint_file(tmp_path / "a.pth")
    assert not (tmp_path / "made").exists()
