"""A PNG that is written by rows: memory does not grow with its size."""

# h rows, W pixels

from __future__ import annotations

import struct
import zlib
from types import TracebackType
from typing import IO, Self

import numpy as np

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_GREY, _PALETTE = 0, 3


class PngRows:
    """Writes grey values of 8 or 16 bits, or indices of a palette, from the top to the bottom."""

    def __init__(self, file: IO[bytes], size: tuple[int, int], *, bits: int = 8, palette: bytes | None = None) -> None:
        """Begin a picture of ``size`` = (H, W); ``palette`` is red, green, blue of each index."""
        self._file, self._size, self._written = file, size, 0
        self._type = np.dtype(np.uint8 if bits == 8 else ">u2")
        self._packer = zlib.compressobj()
        file.write(_SIGNATURE)
        kind = _GREY if palette is None else _PALETTE
        self._chunk(b"IHDR", struct.pack(">IIBBBBB", size[1], size[0], bits, kind, 0, 0, 0))
        if palette is not None:
            self._chunk(b"PLTE", palette)

    def write(self, row_hW: np.ndarray) -> None:
        """Append rows."""
        byte_hB = np.ascontiguousarray(row_hW, self._type).view(np.uint8).reshape(len(row_hW), -1)
        plain = np.zeros((len(byte_hB), 1), np.uint8)  # the filter of each row: none
        self._chunk(b"IDAT", self._packer.compress(np.hstack([plain, byte_hB]).tobytes()))
        self._written += len(row_hW)

    def _chunk(self, kind: bytes, data: bytes) -> None:
        if data or kind == b"IEND":
            self._file.write(struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: BaseException | TracebackType | None) -> None:
        if kind is None:
            assert self._written == self._size[0]
            self._chunk(b"IDAT", self._packer.flush())
            self._chunk(b"IEND", b"")
