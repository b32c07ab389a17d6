"""Shared by all tests: tiny params, a tiny probability cache, the golden values, and the real data sets if present."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ruamel.yaml import YAML

from tests import golden_values
from tests import real_data as real_data_sets

# What DVC runs commands with. As where it is not set (cron, services): Debian's sh stays between DVC and a command that
# does not begin with `exec`, bash does not.
os.environ["SHELL"] = "/bin/sh"

# The console decides by COLUMNS how wide it is: xdist sets it, and so does a test for the command that it calls.
os.environ.pop("COLUMNS", None)
import_module("pipeline.commands.console")

pytest_plugins = ["tests.programs", "tests.warm_stages"]


@pytest.fixture
def tiny_params() -> dict[str, Any]:
    """A params.yaml that trains in seconds on a CPU, as a dict to change."""
    return {
        "seed": 1,
        "classes": "cityscapes-19",
        "runtime": {"device": "cpu", "precision": "float32", "workers": 1, "checkpoint_every": 2, "log_every": 1},
        "data": {
            "size": [32, 64],
            "source": {"layout": "streets", "domain": "source", "images": 4, "draw_size": [32, 64]},
            "target": {"layout": "streets", "domain": "target", "images": 4, "draw_size": [32, 64]},
            "evaluation": {
                "layout": "streets", "domain": "target", "images": 2, "first": 1000, "draw_size": [32, 64],
            },
        },
        "model": {"architecture": "small", "encoder": "mobilenet-v3-small"},
        "pretrain": {"steps": 2, "batch": 2},
        "dump": {"part_images": 2, "batch": 2},
        "lse": {"compat": "paper", "patches": 2},
        "adapt": {"steps": 2, "batch": 2, "source_batch": 1},
        "health": {"images": 4},
        "evaluate": {"gallery": 1},
        "initial_models": {"source-only": {"supervision": "source"}, "oracle": {"supervision": "target-labelled"}},
        "rounds": {
            "lse-1": {"method": "lse", "init": "source-only", "portion": 0.5},
            "lse-2": {"method": "lse", "init": "lse-1", "portion": 0.6},
        },
    }  # fmt: skip


@pytest.fixture
def write_params(tmp_path: Path) -> Callable[[dict[str, Any]], Path]:
    """Writes a dict to tmp_path/params.yaml."""

    def write(params: dict[str, Any]) -> Path:
        path = tmp_path / "params.yaml"
        with path.open("w", encoding="utf-8") as file:
            YAML().dump(params, file)  # in the dict's order
        return path

    return write


@pytest.fixture
def golden() -> Mapping[str, np.ndarray]:
    """`prob` and what the authors' released code computed of it, by key."""
    return golden_values.author_code()


@pytest.fixture(scope="session")
def golden_npz(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same as one .npz file, as other programs write it."""
    path = tmp_path_factory.mktemp("golden") / "author_code_volumes.npz"
    np.savez(path, **golden_values.author_code())
    return path


@pytest.fixture
def real_data() -> Callable[[str], Path]:
    """Finds a real data set by its folder (docs/datasets.md, "Copies"), or skips the test; .ci/run counts the skips."""

    def find(name: str) -> Path:
        folder = real_data_sets.FOLDER / name
        if not folder.is_dir():
            pytest.skip(f"needs real data: {folder} is absent; ROUNDABOUT_DATA names the folder of data sets")
        return folder

    return find


@pytest.fixture
def write_cache() -> Callable[..., Path]:
    """Writes a cache of given logits (N,C,h,w), up-sampled to ``size``, in parts of two images."""
    import torch

    from pipeline.cache.dump import dump
    from pipeline.cache.schema import CacheSpec

    def write(folder: Path, logits_NChw: torch.Tensor, size: tuple[int, int], ids: list[str]) -> Path:
        names = tuple(f"class {number}" for number in range(logits_NChw.shape[1]))
        spec = CacheSpec("a-fingerprint", names, size, "logits", len(ids), 2, align_corners=True)
        # tensors of positions stand for the images
        dump(torch.tensor, ids, lambda positions: [logits_NChw[positions]], folder, spec, batch=2)
        return folder

    return write
