"""The golden values of tests/golden, read and joined; its README.md says what they are.

# N images, C class, H/W pixels
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import h5py
import numpy as np
import torch
from torch import Tensor

from tests.golden.cut import CHANNEL_STEP, STEP, TEACHER_STEP, drawn_inputs

__all__ = [
    "CHANNEL_STEP", "STEP", "TEACHER_STEP", "author_code", "checkpoint_keys", "daformer_code", "network_outputs",
    "teacher_code",
]  # fmt: skip

FOLDER = Path(__file__).parent / "golden"


def read(path: Path) -> dict[str, np.ndarray]:
    """Return the arrays of an HDF5 file by key."""
    with h5py.File(path) as file:
        return {key: file[key][()] for key in file}


@cache
def author_code() -> dict[str, np.ndarray]:
    """Return `prob` (N,C,H,W), float32, and what the authors' functions computed of it."""
    parts = sorted(FOLDER.glob("volumes-*.h5"))
    prob_NCHW = np.concatenate([read(path)["prob"] for path in parts])
    assert prob_NCHW.shape == (120, 19, 16, 32)
    return {"prob": prob_NCHW, **read(FOLDER / "author_answers.h5")}


@cache
def network_outputs() -> dict[str, Tensor]:
    """Return inputs and outputs of the authors' networks; those at image size hold every ``STEP``-th pixel."""
    outputs = {key: torch.from_numpy(array) for key, array in read(FOLDER / "architectures.h5").items()}
    return {**drawn_inputs(), **outputs}


def checkpoint_keys(prefix: str) -> dict[str, list[int]]:
    """Return names and shapes of the one state dict whose title begins with this, in the authors' order."""
    stored = json.loads((FOLDER / "checkpoint_keys.json").read_text(encoding="utf-8"))
    (keys,) = [value for title, value in stored.items() if title.startswith(prefix)]
    return dict(keys)


@cache
def teacher_code() -> dict[str, Tensor]:
    """Return inputs and outputs of DACS', DAFormer's and MIC's functions; pixelwise ones hold every sixth pixel."""
    with np.load(FOLDER / "teacher_code.npz") as file:
        numeric = {key: file[key] for key in file.files if file[key].dtype.kind != "U"}
    return {key: torch.from_numpy(np.asarray(array)) for key, array in numeric.items()}


@cache
def daformer_code() -> dict[str, np.ndarray]:
    """Return inputs, outputs, optimiser and schedule of DAFormer's and MIC's code; features: every eighth channel."""
    with np.load(FOLDER / "daformer.npz") as file:
        return {key: file[key] for key in file.files}
