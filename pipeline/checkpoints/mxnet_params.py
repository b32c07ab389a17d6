"""MXNet's `.params`: a list of named arrays, read and written without MXNet (which is retired).

The format is that of `NDArray::Save` in MXNet 0.9 to 1.x: little-endian integers and raw arrays. Nothing in it is code.
Every length is held against the size of the file before it is believed.
"""

from __future__ import annotations

import math
import struct
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from pipeline.common.files import whole_file
from pipeline.models.model_file import ModelFileError

LIST_MAGIC = 0x112
# Of one array: none before 0.10 (the number of axes comes first), then with 64-bit shapes, then with kinds of storage.
V1_MAGIC, V2_MAGIC, V3_MAGIC = 0xF993FAC8, 0xF993FAC9, 0xF993FACA
DENSE = 0
CPU, CPU_ID = 1, 0
DTYPES = (np.float32, np.float64, np.float16, np.uint8, np.int32, np.int8, np.int64)
MOST_AXES = 8


def is_mxnet(head: bytes) -> bool:
    """Return whether a file that begins so is such a list."""
    return len(head) >= 8 and struct.unpack("<Q", head[:8])[0] == LIST_MAGIC


def read_mxnet(path: Path) -> dict[str, Tensor]:
    """Return the arrays by name, ``arg:`` and ``aux:`` included.

    Raises:
        ModelFileError: the file is truncated, damaged, or holds sparse arrays or none with names.
    """
    reader = _Reader(path, memoryview(path.read_bytes()))
    reader.take("<QQ")  # magic, reserved
    arrays = [reader.array() for _ in range(reader.count())]
    names = [reader.name() for _ in range(reader.count())]
    if len(names) != len(arrays) or len(set(names)) < len(names):
        raise ModelFileError(f"{path}: holds {len(arrays)} arrays and {len(set(names))} names for them")
    return dict(zip(names, arrays, strict=True))


def write_mxnet(path: Path, tensors: dict[str, Tensor]) -> None:
    """Write named arrays as MXNet 1.x does, whole or not at all."""
    with whole_file(path) as temporary, temporary.open("wb") as file:
        file.write(struct.pack("<QQQ", LIST_MAGIC, 0, len(tensors)))
        for tensor in tensors.values():
            array = tensor.detach().cpu().contiguous().numpy()
            file.write(struct.pack("<IiI", V2_MAGIC, DENSE, array.ndim))
            file.write(struct.pack(f"<{array.ndim}q", *array.shape))
            file.write(struct.pack("<iii", CPU, CPU_ID, DTYPES.index(array.dtype.type)))
            file.write(array.tobytes())
        file.write(struct.pack("<Q", len(tensors)))
        for name in tensors:
            encoded = name.encode()
            file.write(struct.pack("<Q", len(encoded)) + encoded)


class _Reader:
    """Forward reader that rejects lengths longer than the file."""

    def __init__(self, path: Path, data: memoryview) -> None:
        self._path, self._data, self._place = path, data, 0

    def take(self, form: str) -> tuple[int, ...]:
        return struct.unpack(form, self._bytes(struct.calcsize(form)))

    def count(self) -> int:
        """A number of things that follow, of at least four bytes each."""
        (count,) = self.take("<Q")
        if count > len(self._data) // 4:
            raise self._damaged(f"speaks of {count} arrays or names")
        return count

    def name(self) -> str:
        (length,) = self.take("<Q")
        try:
            return bytes(self._bytes(length)).decode()
        except UnicodeDecodeError:
            raise self._damaged("a name is not text") from None

    def array(self) -> Tensor:
        (magic,) = self.take("<I")
        if magic in (V2_MAGIC, V3_MAGIC):
            (storage,) = self.take("<i")
            if storage != DENSE:
                raise self._damaged("holds a sparse array, which no checkpoint of a network does")
        if magic in (V1_MAGIC, V2_MAGIC, V3_MAGIC):
            (axes,) = self.take("<I")
            shape = self._shape(axes, "q")
        else:
            shape = self._shape(magic, "I")
        if not shape and magic != V3_MAGIC:
            raise self._damaged("holds an array without a shape")
        _, _, kind = self.take("<iii")  # the device's type and number do not matter
        if not 0 <= kind < len(DTYPES):
            raise self._damaged(f"holds an array of an unknown type ({kind})")
        dtype = np.dtype(DTYPES[kind]).newbyteorder("<")
        raw = self._bytes(math.prod(shape) * dtype.itemsize)
        return torch.from_numpy(np.frombuffer(raw, dtype).reshape(shape).copy())

    def _shape(self, axes: int, letter: str) -> tuple[int, ...]:
        if axes > MOST_AXES:
            raise self._damaged(f"holds an array of {axes} axes")
        shape = self.take(f"<{axes}{letter}")
        if any(side < 0 for side in shape):
            raise self._damaged("holds an array with a negative side")
        return shape

    def _bytes(self, length: int) -> memoryview:
        if length > len(self._data) - self._place:
            raise self._damaged("ends early")
        self._place += length
        return self._data[self._place - length : self._place]

    def _damaged(self, what: str) -> ModelFileError:
        return ModelFileError(f"{self._path}: is truncated or damaged at byte {self._place}: {what}; fetch it again")
