"""Writing a cache part by part while the network runs over the images.

Loading, the forward pass, encoding and writing overlap: one thread loads the next batch, the caller's thread runs the
network, a few measure and compress images, one writes finished parts. Queues between them are bounded.
"""

# N batch, C class, H/W pixels, h/w network resolution

from __future__ import annotations

import errno
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple, TypeVar

import torch
from torch import Tensor
from tqdm import tqdm

from pipeline.cache.encode import EncodedImage, Histograms, empty_histograms
from pipeline.cache.measure import Average, Job, encoding_jobs
from pipeline.cache.parts import is_finished, part_name, write_part
from pipeline.cache.schema import CacheError, CacheSpec
from pipeline.common.files import forget_partial_files
from pipeline.common.system_errors import ADVICE, system_number

Network = Callable[[Tensor], list[Tensor]]
"""RGB bytes (N,3,H,W) on the CPU -> logits (N,C,h,w) of each view, on the network's device."""
Loaded = TypeVar("Loaded")
_NO_ROOM = {errno.ENOSPC: "the disk is full", errno.EDQUOT: "your quota is used up (`quota -s`)"}


class Share(NamedTuple):
    """The parts that one of several writers writes: every ``writers``-th, from ``rank`` on."""

    rank: int = 0
    writers: int = 1


def dump(
    images: Callable[[list[int]], Tensor],
    image_ids: list[str],
    network: Network,
    folder: Path,
    spec: CacheSpec,
    *,
    batch: int,
    workers: int = 2,
    share: Share = Share(),  # noqa: B008 - immutable
    progress: Callable[[int], None] | None = None,
    average: Average | None = None,
) -> int:
    """Write this writer's share of a cache into ``folder`` and return how many of its parts were already there.

    A part that is there is kept if it is whole and of this cache; a damaged one is written again. Several writers, each
    with its share, need no locks. Memory holds two parts' compressed images and a few in flight.

    ``images`` returns the RGB bytes (N,3,H,W) of some positions. ``progress`` is called with the number of each part
    when it is safe on the disk. ``average`` turns the network's output into probabilities; only logits on a CPU can do
    without it.

    Raises:
        CacheError: a part belongs to another cache (nothing is overwritten), or the disk is full (what is finished
            stays, and the next dump continues after it).
    """

    def jobs(batch_N3HW: Tensor, ids: list[str]) -> list[Job]:
        return encoding_jobs(network(batch_N3HW), ids, spec, average)

    return write_cache(
        images, jobs, image_ids, folder, spec, batch=batch, workers=workers, share=share, progress=progress
    )


@torch.inference_mode()
def write_cache(
    load: Callable[[list[int]], Loaded],
    jobs: Callable[[Loaded, list[str]], list[Job]],
    image_ids: list[str],
    folder: Path,
    spec: CacheSpec,
    *,
    batch: int,
    workers: int = 2,
    share: Share = Share(),  # noqa: B008 - immutable
    progress: Callable[[int], None] | None = None,
) -> int:
    """Write a cache from any source: ``load`` runs in its own thread, ``jobs`` in the caller's, the jobs in workers."""
    folder.mkdir(parents=True, exist_ok=True)
    _refuse_parts_beyond(folder, spec)
    todo, resumed = [], 0
    with tqdm(total=_images_of(spec, share), unit="image", desc="dump", disable=None) as bar:
        for number in range(share.rank, spec.parts, share.writers):
            forget_partial_files(folder, part_name(number))
            ids = [image_ids[position] for position in spec.positions(number)]
            if is_finished(folder / part_name(number), spec, ids):
                resumed += 1
                bar.update(len(ids))
            else:
                todo.append(number)
        with _Pipeline(folder, spec, image_ids, workers, batch, bar, progress) as pipeline:
            pipeline.run(todo, load, jobs)
    return resumed


def _refuse_parts_beyond(folder: Path, spec: CacheSpec) -> None:
    beyond = [path for path in sorted(folder.glob("part-*.h5")) if path.name > part_name(spec.parts - 1)]
    if beyond:
        raise CacheError(
            f"{beyond[0]}: does not belong to this cache of {spec.parts} parts; the folder holds another one: write "
            "into another folder or delete this one"
        )


def _images_of(spec: CacheSpec, share: Share) -> int:
    return sum(len(spec.positions(number)) for number in range(share.rank, spec.parts, share.writers))


class _Part:
    """An unfinished part: its images, compressed or about to be, and its histograms so far."""

    def __init__(self, histograms: Histograms) -> None:
        self.images: list[Future[EncodedImage]] = []
        self.histograms = histograms
        self._counting = threading.Lock()

    def encode(self, job: Job) -> EncodedImage:
        """Run an image's job and count it, so that nothing uncompressed is kept."""
        image = job()
        with self._counting:
            image.count_into(self.histograms)
        return image._replace(planes=None, counts=None)


class _Pipeline:
    """The threads of a dump and what passes between them."""

    def __init__(
        self,
        folder: Path,
        spec: CacheSpec,
        image_ids: list[str],
        workers: int,
        batch: int,
        bar: tqdm,
        progress: Callable[[int], None] | None,
    ) -> None:
        self._folder, self._spec, self._ids, self._batch = folder, spec, image_ids, batch
        self._bar, self._progress = bar, progress
        self._loader = ThreadPoolExecutor(1, "load")
        self._encoders = ThreadPoolExecutor(workers, "encode")
        self._writer = ThreadPoolExecutor(1, "write")
        self._in_flight = threading.Semaphore(batch + 2 * workers)
        self._parts: list[Future[None]] = []

    def __enter__(self) -> _Pipeline:
        return self

    def __exit__(self, *_: object) -> None:
        self._loader.shutdown(wait=True, cancel_futures=True)
        for pool in (self._encoders, self._writer):  # whatever ended the run, parts that are complete are written
            pool.shutdown(wait=True)

    def run(
        self, todo: list[int], load: Callable[[list[int]], Loaded], jobs: Callable[[Loaded, list[str]], list[Job]]
    ) -> None:
        """Dump these parts and raise the first error of any thread."""
        part = _Part(empty_histograms(self._spec.classes))
        for number, positions, last, loaded in self._batches(todo, load):
            for job in jobs(loaded, [self._ids[position] for position in positions]):
                self._in_flight.acquire()
                task = self._encoders.submit(part.encode, job)
                task.add_done_callback(lambda _: self._in_flight.release())
                part.images.append(task)
            if last:
                self._parts.append(self._writer.submit(self._finish, number, part))
                part = _Part(empty_histograms(self._spec.classes))
            self._raise_errors(waiting=1)
        self._raise_errors(waiting=0)

    def _batches(
        self, todo: list[int], load: Callable[[list[int]], Loaded]
    ) -> Iterator[tuple[int, list[int], bool, Loaded]]:
        """Yield part, positions, whether the part ends here, and the loaded images; the next batch loads meanwhile."""
        plan = [
            (number, list(positions[first : first + self._batch]), first + self._batch >= len(positions))
            for number in todo
            for positions in [self._spec.positions(number)]
            for first in range(0, len(positions), self._batch)
        ]
        loading = [self._loader.submit(load, plan[0][1])] if plan else []
        for index, (number, positions, last) in enumerate(plan):
            if index + 1 < len(plan):
                loading.append(self._loader.submit(load, plan[index + 1][1]))
            yield number, positions, last, loading.pop(0).result()

    def _finish(self, number: int, part: _Part) -> None:
        """Wait for a part's images and write it; runs in the writer's thread."""
        images = []
        for task in part.images:
            images.append(task.result())
            self._bar.update()
        ids = [self._ids[position] for position in self._spec.positions(number)]
        try:
            write_part(self._folder, self._spec, number, ids, images, part.histograms)
        except OSError as error:
            raise _unwritable(self._folder, number, self._spec, error) from error
        if self._progress is not None:
            self._progress(number)

    def _raise_errors(self, waiting: int) -> None:
        """Raise the error of a finished part, after waiting until at most ``waiting`` are unfinished."""
        while self._parts and (len(self._parts) > waiting or self._parts[0].done()):
            self._parts.pop(0).result()


def _unwritable(folder: Path, number: int, spec: CacheSpec, error: OSError) -> CacheError:
    finished = sum(1 for _ in folder.glob("part-*.h5"))
    reason = system_number(error)
    what = _NO_ROOM.get(reason) or ADVICE.get(reason) or f"cannot be written ({error})"
    room = "Make room and run" if reason in _NO_ROOM else "Run"
    return CacheError(
        f"{folder / part_name(number)}: {what}; {finished} of {spec.parts} parts are finished and stay. "
        f"{room} the dump again: it continues from there"
    )
