"""Arrays as HDF5 chunks, and probabilities as one byte each.

Chunks are compressed here and handed to HDF5 as they are: the threads of one process never run libhdf5's own filters in
parallel. They use HDF5's built-in filters (shuffle, deflate, fletcher32), so every HDF5 reader opens them without
plugins; ISA-L writes deflate at the speed of zstd.
"""

# C class, H/W pixels

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from isal import isal_zlib
from numba import njit

from pipeline.cache.arithmetic import logarithm

# HDF5's options for reading what `encode_chunk` writes.
FILTERS: dict[str, Any] = {"compression": "gzip", "compression_opts": 3, "shuffle": True, "fletcher32": True}
# ISA-L's levels 1 and 2 are twice as fast, but their output depends, now and then, on what was in memory before.
_LEVEL = 3


class EncodedArray(NamedTuple):
    """One image's share of a dataset: its chunks, compressed, in the order of ``chunk_offsets``."""

    shape: tuple[int, ...]
    chunk: tuple[int, ...]
    dtype: np.dtype
    blobs: list[bytes]


def encode_array(values: np.ndarray, largest_chunk: tuple[int, ...]) -> EncodedArray:
    """Cut an array into chunks of about equal size, none above ``largest_chunk``, and compress each."""
    chunk = tuple(_even_share(length, largest) for length, largest in zip(values.shape, largest_chunk, strict=True))
    blobs = []
    for offset in chunk_offsets(values.shape, chunk):
        piece = values[tuple(slice(start, start + step) for start, step in zip(offset, chunk, strict=True))]
        if piece.shape != chunk:  # HDF5 stores chunks at the border in full
            padded = np.zeros(chunk, values.dtype)
            padded[tuple(slice(0, length) for length in piece.shape)] = piece
            piece = padded
        blobs.append(encode_chunk(piece))
    return EncodedArray(values.shape, chunk, values.dtype, blobs)


def _even_share(length: int, largest: int) -> int:
    return -(-length // -(-length // largest))


def chunk_offsets(shape: tuple[int, ...], chunk: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    """Yield the first position of each chunk of an array, the last axis fastest."""
    return itertools.product(*(range(0, length, step) for length, step in zip(shape, chunk, strict=True)))


def encode_chunk(values: np.ndarray) -> bytes:
    """Shuffle, deflate and checksum a chunk as HDF5's filter pipeline would, byte order included."""
    raw = np.ascontiguousarray(values).reshape(-1).view(np.uint8)
    if values.itemsize > 1:
        raw = np.ascontiguousarray(raw.reshape(-1, values.itemsize).T)
    packed: bytes = isal_zlib.compress(raw, _LEVEL)
    return packed + int(fletcher32(np.frombuffer(packed, np.uint8))).to_bytes(4, "little")


@njit(nogil=True, cache=True)
def fletcher32(data: Any) -> Any:
    """Return the checksum of HDF5's filter: Fletcher's over big-endian 16-bit words, folded every 360 words."""
    low, high = np.uint32(0), np.uint32(0)
    words = len(data) // 2
    position = 0
    while position < words:
        for _ in range(min(360, words - position)):
            low += (np.uint32(data[2 * position]) << np.uint32(8)) | np.uint32(data[2 * position + 1])
            high += low
            position += 1
        low, high = _folded(low), _folded(high)
    if len(data) % 2:
        low += np.uint32(data[-1]) << np.uint32(8)
        high += low
        low, high = _folded(low), _folded(high)
    return (_folded(high) << np.uint32(16)) | _folded(low)


@njit(inline="always")
def _folded(value: Any) -> Any:
    return (value & np.uint32(0xFFFF)) + (value >> np.uint32(16))


# ------------------------------------------------------------------------------------------------ the probability code

LOWEST_LOG_ODDS, HIGHEST_LOG_ODDS, _CERTAIN = -6.0, 17.0, 65535
LOG_ODDS_STEP = (HIGHEST_LOG_ODDS - LOWEST_LOG_ODDS) / (_CERTAIN - 1)


def _confidence_table() -> np.ndarray:
    log_odds = LOWEST_LOG_ODDS + LOG_ODDS_STEP * np.arange(_CERTAIN)
    return np.append(1 / (1 + np.exp(-log_odds)), 1.0).astype(np.float32)


CONFIDENCE_OF_CODE = _confidence_table()
"""Confidence of each code, (65536,) float32."""


@njit(nogil=True, cache=True)
def confidence_code(confidence_HW: Any) -> Any:
    """Return (H,W) uint16: 0..65534 for log-odds from -6 to 17 in equal steps, 65535 for exactly 1."""
    code_HW = np.empty(confidence_HW.shape, np.uint16)
    for y in range(confidence_HW.shape[0]):
        for x in range(confidence_HW.shape[1]):
            p = confidence_HW[y, x]
            odds = logarithm(p) - logarithm(np.float32(1) - p)
            code = np.int32((odds - np.float32(LOWEST_LOG_ODDS)) / np.float32(LOG_ODDS_STEP) + np.float32(0.5))
            code = min(max(code, np.int32(0)), np.int32(_CERTAIN - 1))
            code_HW[y, x] = np.int32(_CERTAIN) if p >= np.float32(1) else code
    return code_HW


@njit(nogil=True, cache=True)
def probability_roots(prob_CHW: Any) -> Any:
    """Return round(255 · √p), (C,H,W) uint8. Small probabilities, which carry the entropy, get the finer steps."""
    roots_CHW = np.empty(prob_CHW.shape, np.uint8)
    for c in range(prob_CHW.shape[0]):
        for y in range(prob_CHW.shape[1]):
            for x in range(prob_CHW.shape[2]):
                roots_CHW[c, y, x] = np.uint8(np.sqrt(prob_CHW[c, y, x]) * np.float32(255) + np.float32(0.5))
    return roots_CHW


@njit(nogil=True, cache=True)
def decode_probabilities(roots_CHW: Any, label_HW: Any, confidence_HW: Any, prob_CHW: Any) -> None:
    """Fill prob_CHW: the label has its confidence; the others share the rest in proportion to the squared code.

    No other class reaches the label's probability, so that arg-max gives the exact label.
    """
    classes, height, width = roots_CHW.shape
    total_W = np.empty(width, np.float32)
    for y in range(height):
        total_W[:] = np.float32(0)
        for c in range(classes):
            for x in range(width):
                root = np.float32(roots_CHW[c, y, x])
                total_W[x] += np.float32(0) if label_HW[y, x] == c else root * root
        for c in range(classes):
            for x in range(width):
                confidence = confidence_HW[y, x]
                rest, root = np.float32(1) - confidence, np.float32(roots_CHW[c, y, x])
                total = total_W[x]
                share = (
                    root * root / max(total, np.float32(1)) if total > 0 else np.float32(1) / np.float32(classes - 1)
                )
                other = min(rest * share, confidence * np.float32(0.999999))
                prob_CHW[c, y, x] = confidence if label_HW[y, x] == c else other
