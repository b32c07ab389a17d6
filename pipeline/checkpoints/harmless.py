"""What training programs keep beside the weights and what runs no code when it is read: arguments, paths, numbers.

Torch's restricted reader calls nothing but what is listed here. Classes of configuration libraries are never imported:
an inert object takes their place.
"""

from __future__ import annotations

import argparse
import datetime
import pathlib
import types
from typing import Any

import numpy as np

_NUMBER = np._core.multiarray.scalar  # type: ignore[attr-defined]
_ARRAY = np._core.multiarray._reconstruct  # type: ignore[attr-defined]
_DTYPES = ("float16", "float32", "float64", *(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)))
# A path is a string here, whatever system wrote it; Python 3.13 calls the module otherwise.
_PATHS = [
    (pathlib.PurePosixPath if "Windows" not in name else pathlib.PureWindowsPath, f"{module}.{name}")
    for module in ("pathlib", "pathlib._local")
    for name in ("Path", "PosixPath", "PurePath", "PurePosixPath", "WindowsPath", "PureWindowsPath")
]


def _dict(*_: Any) -> dict[Any, Any]:
    return {}


def _list(*_: Any) -> list[Any]:
    return []


HARMLESS: list[Any] = [
    argparse.Namespace,
    types.SimpleNamespace,
    (_dict, "collections.defaultdict"),  # torch's reader fills plain ones only
    (_list, "collections.deque"),
    dict,
    list,
    datetime.datetime,
    datetime.date,
    datetime.timedelta,
    *_PATHS,
    _NUMBER,
    (_NUMBER, "numpy.core.multiarray.scalar"),  # as numpy 1 calls it
    _ARRAY,
    (_ARRAY, "numpy.core.multiarray._reconstruct"),
    np.ndarray,
    np.dtype,
    *(type(np.dtype(name)) for name in (*_DTYPES, "bool", "str", "object")),
]
CONFIGURATIONS = (
    "omegaconf",
    "yacs",
    "easydict",
    "addict",
    "ml_collections",
    "mmcv.utils.config",
    "mmengine.config",
    "typing",
)
"""Libraries whose objects are settings and nothing else."""


class Inert:
    """Takes the place of a configuration's object: accepts what a pickle does to it, and keeps nothing."""

    def __init__(self, *_: Any, **__: Any) -> None: ...

    def __setstate__(self, _: Any) -> None: ...


def stand_in(name: str) -> tuple[type[Inert], str] | None:
    """Return what torch reads in place of a configuration library's class; None for any other class.

    Args:
        name: module and class, as the file has them.
    """
    known = any(name.startswith(f"{library}.") for library in CONFIGURATIONS)
    return (Inert, name) if known else None
