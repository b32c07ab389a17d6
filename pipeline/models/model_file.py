"""What every model file of this program is: its format, its spec, its state. No network is imported to read it."""

from __future__ import annotations

import pickle
import zipfile
from pathlib import Path
from typing import Any

import torch

from pipeline.common.errors import ReadableError

FILE_FORMAT = "roundabout-model"
FILE_VERSION = 1
NOT_READABLE = "not a readable model file; it is truncated or of another program"


class ModelFileError(ReadableError, ValueError):
    """A file does not hold a model; the message names it."""


def read_model_file(path: Path, *, mapped: bool = False) -> dict[str, Any]:
    """Return the content of a model file: ``spec`` (plain values) and ``state`` (tensors on the CPU).

    ``mapped`` leaves the tensors in the file until they are used. Only tensors and plain values are read
    (`weights_only`), so a file cannot run code.

    Raises:
        ModelFileError: the file is missing, truncated, of another program, or of a newer version.
    """
    if not path.is_file():
        raise ModelFileError(f"{path}: is missing: the stage before has not run; run `dvc repro`")
    # Ours are zip archives, whose directory is at the end, so a truncated file is not one. Torch's reader of older
    # formats, which fails in many ways, is never reached.
    if not zipfile.is_zipfile(path):
        raise ModelFileError(f"{path}: {NOT_READABLE}")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True, mmap=mapped)
    except (RuntimeError, pickle.UnpicklingError) as error:
        raise ModelFileError(f"{path}: {NOT_READABLE}") from error
    if not isinstance(content, dict) or content.get("format") != FILE_FORMAT:
        raise ModelFileError(f"{path}: readable, but not a model that this program saved")
    if content.get("version") != FILE_VERSION:
        raise ModelFileError(f"{path}: model file version {content.get('version')}; this program reads {FILE_VERSION}")
    return content
