"""Batches as pure functions of (seed, step): nothing to save for a resume, any number of loader threads agrees."""

# N batch, H/W pixels

from __future__ import annotations

import zlib
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

Sample = tuple[str, np.ndarray, np.ndarray]
"""id, image (H,W,3) uint8, label (H,W) uint8."""
SampleAt = Callable[[int, np.random.Generator], Sample]
"""The sample of an index, changed at random by the generator."""


class Labelled(NamedTuple):
    """Images (N,3,H,W) uint8 with labels (N,H,W) uint8 and ids."""

    image_N3HW: Tensor
    label_NHW: Tensor
    ids: list[str]
    draws: range = range(0)
    """Numbers of the samples since step 0, over all processes: an objective's random draws are a function of them."""
    class_weight_C: Tensor | None = None
    """Weight of each class (C) in the loss of these labels; None where all count the same."""


Batch = dict[str, Labelled]
"""One entry for each stream that an objective reads: ``source``, ``patches``."""


class Stream(NamedTuple):
    """An endless, shuffled stream of samples: each pass visits every sample once, in an order of its own."""

    name: str
    sample_at: SampleAt
    length: int
    batch: int
    seed: int
    run: str = ""
    """Name of the initial model or round, so that no two draw the same images in the same order."""
    rank: int = 0
    processes: int = 1
    """Several processes draw one batch: each its share of the samples that one process would draw."""
    class_weight_C: Tensor | None = None

    def at(self, step: int) -> Labelled:
        """Return the batch of a step, or this process's share of it."""
        first, end = (self.batch * share // self.processes for share in (self.rank, self.rank + 1))
        draws = range(step * self.batch + first, step * self.batch + end)
        samples = [self._draw(draw) for draw in draws]
        ids = [sample[0] for sample in samples]
        image_NHW3 = torch.from_numpy(np.stack([sample[1] for sample in samples]))
        label_NHW = torch.from_numpy(np.stack([sample[2] for sample in samples]))
        image_N3HW = image_NHW3.permute(0, 3, 1, 2).contiguous()
        return Labelled(image_N3HW, label_NHW, ids, draws, self.class_weight_C)

    def _draw(self, draw: int) -> Sample:
        key = [self.seed, zlib.crc32(f"{self.run}/{self.name}".encode())]
        visit, index = divmod(draw, self.length)
        order = _order((*key, visit), self.length)
        return self.sample_at(int(order[index]), np.random.default_rng([*key, visit, index]))


def share_of(stream: Stream, portion: float, seed: int) -> Stream:
    """Return a stream of a random share of the samples; of one seed, the larger share holds the smaller (CBST)."""
    count = max(1, round(stream.length * portion))
    chosen = np.random.default_rng([seed, zlib.crc32(b"share")]).permutation(stream.length)[:count]
    return stream._replace(
        sample_at=lambda index, generator: stream.sample_at(int(chosen[index]), generator), length=count
    )


@lru_cache(maxsize=8)
def _order(key: tuple[int, ...], length: int) -> np.ndarray:
    return np.random.default_rng(key).permutation(length)


def batch_at(streams: list[Stream], step: int) -> Batch:
    """Return the batch of a step from every stream."""
    return {stream.name: stream.at(step) for stream in streams}


def prefetched(streams: list[Stream], first: int, steps: int, threads: int) -> Iterator[Batch]:
    """Yield the batches of the steps ``first`` … ``steps`` - 1 in order, loaded by threads a few steps ahead.

    Decoding and resizing release Python's lock, so threads suffice, and nothing is pickled. An error in a thread
    surfaces at the step it belongs to. A loader thread starts no threads of its own for what torch computes in it.
    """
    torch.get_num_threads()  # fixes this thread's own number, which the loaders' call would change otherwise
    with ThreadPoolExecutor(threads, "loader", initializer=torch.set_num_threads, initargs=(1,)) as pool:
        waiting: deque[Future[Batch]] = deque()
        upcoming = iter(range(first, steps))
        try:
            for step in upcoming:
                waiting.append(pool.submit(batch_at, streams, step))
                if len(waiting) > threads + 1:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
