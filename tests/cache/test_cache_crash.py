"""A dump that is killed, crashes or finds the disk full: finished parts stay whole, and the next dump completes.

Children of a nursery dump into a folder and are killed with SIGKILL, at random instants or at every call that writes.
What a process's death leaves is proved here; what a power failure leaves is not.
"""

from __future__ import annotations

import math
import multiprocessing
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor
from tqdm import tqdm

from pipeline.cache.dump import Share, dump
from pipeline.cache.index import CacheIndex
from pipeline.cache.parts import part_name, verify_part
from pipeline.cache.reader import CacheReader
from pipeline.cache.schema import CacheError, CacheSpec

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="forks processes and counts their threads in /proc")

SIZE = (64, 96)
"""Chunks of 6 kB. Below 4 kB, ISA-L compresses the same bytes to others in another thread, so parts would differ."""
FEW, MANY = 5, 24
"""Images of a cache, two in each part."""
WRITE_CALLS = ("open", "write", "fsync", "close", "replace", "unlink")
"""The functions of `os` by which a dump changes its folder."""
PIECE = 20_000
"""Bytes that a child writes at a time, so that a part is written in several calls."""
PARTIAL = re.compile(r"\.part-\d{5}\.h5\.\d+\.[0-9a-f]+\.partial")


# ----------------------------------------------------------------------------------------------------- what is dumped


def images(positions: list[int]) -> Tensor:
    """Each position's image, whatever batch it is asked in."""
    one = [torch.randint(0, 256, (3, *SIZE), generator=torch.Generator().manual_seed(p)) for p in positions]
    return torch.stack(one).to(torch.uint8)


class Network:
    """A convolution of whole numbers, so that its sums have no rounding and are equal in every process."""

    def __init__(self, pause: float = 0) -> None:
        self.weight = torch.randint(-8, 9, (4, 3, 4, 4), generator=torch.Generator().manual_seed(1)).float()
        self.pause = pause

    def __call__(self, image_N3HW: Tensor) -> list[Tensor]:
        time.sleep(self.pause)
        return [torch.nn.functional.conv2d(image_N3HW.float(), self.weight, stride=4) / 1024]


def ids_of(count: int) -> list[str]:
    return [f"image-{number}" for number in range(count)]


def dump_images(folder: Path, count: int, pause: float = 0, **options: Any) -> int:
    spec = CacheSpec("model-a", ("road", "sky", "car", "bus"), SIZE, "logits", count, 2, align_corners=True)
    return dump(images, ids_of(count), Network(pause), folder, spec, batch=2, **options)


def content_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()} if folder.exists() else {}


Content = dict[str, bytes]


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory) -> Content:
    """An uninterrupted dump of few images."""
    return uninterrupted(tmp_path_factory.mktemp("few"), FEW)


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Content:
    """An uninterrupted dump of many images."""
    return uninterrupted(tmp_path_factory.mktemp("many"), MANY)


def uninterrupted(folder: Path, count: int) -> Content:
    dump_images(folder, count)
    content = content_of(folder)
    assert sorted(content) == [part_name(number) for number in range(-(-count // 2))]
    return content


# ------------------------------------------------------------------------------------------ children that dump and die


class Order(NamedTuple):
    """A dump for a child to make, and how the child dies. Without a death it ends by itself."""

    folder: Path
    images: int
    kill: tuple[int, float] | None = None
    """Killed from outside so many seconds after it has acknowledged so many parts."""
    dies_at: int = 0
    """Kills itself at this one of its WRITE_CALLS, counted from 1 ..."""
    torn: bool = False
    """... after the call, of which a write gets half of its bytes out, instead of before it."""
    pause: float = 0
    """Seconds that each forward pass takes longer, and half of that each piece that is written."""


class Outcome(NamedTuple):
    """What the nursery heard of a child."""

    acknowledged: set[int]
    """Parts that were safe on the disk."""
    calls: list[str]
    """The WRITE_CALLS it came to, the deadly one included."""
    killed: bool


class WriteCalls:
    """Takes the place of os' WRITE_CALLS where they concern the folder: in pieces, slow, deadly at one of them."""

    def __init__(self, order: Order, say: Callable[[str], None]) -> None:
        self._order, self._say = order, say
        self._descriptors: set[int] = set()
        self._count = 0
        for name in WRITE_CALLS:
            setattr(os, name, partial(self._call, name, getattr(os, name)))

    def _call(
        self, name: str, function: Callable[..., Any], subject: int | str | Path, *rest: Any, **named: Any
    ) -> Any:
        ours = subject in self._descriptors if isinstance(subject, int) else self._order.folder in Path(subject).parents
        if not ours:
            return function(subject, *rest, **named)
        if name == "write":
            rest = (rest[0][:PIECE],)
            time.sleep(self._order.pause / 2)
        self._say(f"call {name}")
        self._count += 1
        if self._count == self._order.dies_at:
            if self._order.torn:
                function(subject, *((rest[0][: len(rest[0]) // 2],) if name == "write" else rest), **named)
            os.kill(os.getpid(), signal.SIGKILL)  # of all threads: it does not return
        answer = function(subject, *rest, **named)
        if name == "open":
            self._descriptors.add(answer)
        elif name == "close":
            self._descriptors.discard(subject)
        return answer


def live(order: Order, pipe: int) -> None:
    """A child's life."""
    write = os.write

    def say(line: str) -> None:
        write(pipe, f"{line}\n".encode())

    WriteCalls(order, say)
    dump_images(order.folder, order.images, order.pause, progress=lambda number: say(f"part {number}"))


def raise_child(order: Order) -> Outcome:
    """Forks a child, kills it where the order says so, and listens to it until its end."""
    ear, mouth = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            live(order, mouth)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    os.close(mouth)
    heard = b""
    while (chunk := os.read(ear, 4096)) != b"":
        heard += chunk
        if order.kill is not None and heard.count(b"part") >= order.kill[0]:
            break
    if order.kill is not None:
        time.sleep(order.kill[1])
        os.kill(child, signal.SIGKILL)  # one that has ended is there until it is waited for
    while (chunk := os.read(ear, 4096)) != b"":
        heard += chunk
    os.close(ear)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert code in (0, -signal.SIGKILL), f"the child ended with {code}"
    lines = [line.split() for line in heard.decode().splitlines()]
    return Outcome(
        {int(value) for word, value in lines if word == "part"}, [value for word, value in lines if word == "call"],
        code != 0,
    )  # fmt: skip


def keep_nursery(orders: Connection, warm_up: Path) -> None:
    """A process with the compiled kernels loaded and one thread, of which children are forked in milliseconds."""
    torch.set_num_threads(1)
    tqdm.monitor_interval = 0  # its monitor is a thread
    dump_images(warm_up, FEW)
    while len(list(Path("/proc/self/task").iterdir())) > 1:  # one that was joined is there for an instant longer
        time.sleep(0.001)
    orders.send("ready")
    while True:
        try:
            order = orders.recv()
        except EOFError:
            return
        try:
            orders.send(raise_child(order))
        except AssertionError as error:
            orders.send(error)


Obey = Callable[[Order], Outcome]


@pytest.fixture(scope="module")
def nursery(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Obey]:
    """Has orders carried out by children, one after the other.

    Not multiprocessing's forkserver: its children would each load the compiled kernels again, 0.2 s.
    """
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=keep_nursery, args=(there, tmp_path_factory.mktemp("warm-up")), daemon=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OMP_NUM_THREADS", "1")  # so that no library starts threads of its own, which a fork would lose
        process.start()
    there.close()

    def obey(order: Order) -> Outcome:
        here.send(order)
        answer = here.recv()
        if isinstance(answer, AssertionError):
            raise answer
        assert isinstance(answer, Outcome)
        return answer

    assert here.recv() == "ready"
    yield obey
    here.close()
    process.join()


# ------------------------------------------------------------------------------------------------------ what they left


class Left(NamedTuple):
    """Files that a dead child left."""

    finished: set[int]
    partial: list[int]
    """Sizes of unfinished files."""


def check_what_is_left(folder: Path, whole: Content, acknowledged: set[int], damaged: Content | None = None) -> Left:
    """Every part that has its name is whole, or the damaged one of before; every acknowledged part is there."""
    content = content_of(folder)
    visible = {path.name for path in folder.glob("part-*.h5")}  # as CacheIndex looks for parts
    assert visible <= set(whole)
    finished = {number for number in range(len(whole)) if part_name(number) in visible}
    for number in finished:
        name = part_name(number)
        if damaged is not None and content[name] == damaged.get(name):
            finished = finished - {number}
        else:
            verify_part(folder / name)
            assert content[name] == whole[name]
    assert acknowledged <= finished
    assert all(PARTIAL.fullmatch(name) for name in set(content) - visible)
    if len(visible) < len(whole):
        with pytest.raises(CacheError):
            CacheIndex(folder)
    return Left(finished, [len(content[name]) for name in set(content) - visible])


# ---------------------------------------------------------------------------------------------------- killed at random


@pytest.mark.parametrize("kills", [40, pytest.param(400, marks=pytest.mark.slow)])
def test_kills_at_random_lose_no_acknowledged_part(tmp_path: Path, nursery: Obey, many: Content, kills: int) -> None:
    start = time.monotonic()
    assert not nursery(Order(tmp_path / "at-once", MANY, pause=0.002)).killed
    seconds_of_a_part = (time.monotonic() - start) / len(many)
    assert content_of(tmp_path / "at-once") == many

    chance = random.Random(20)
    deaths: list[tuple[bool, Left]] = []  # whether the run was a resumed one
    caches = 0
    while len(deaths) < kills:
        folder = tmp_path / f"cache-{caches}"
        caches += 1
        acknowledged: set[int] = set()
        there: set[int] = set()
        for _ in range(200):
            kill = (chance.randrange(6), chance.uniform(0, 2 * seconds_of_a_part))
            outcome = nursery(Order(folder, MANY, kill, pause=0.002))
            assert not outcome.acknowledged & there, "a finished part was made again"
            acknowledged |= outcome.acknowledged
            left = check_what_is_left(folder, many, acknowledged)
            assert len(left.partial) <= 1, "the next dump forgets what the one before left"
            if not outcome.killed:
                break
            deaths.append((bool(there), left))
            there = left.finished
        assert content_of(folder) == many
        assert CacheIndex(folder).image_ids == ids_of(MANY)

    assert len({len(left.finished) for _, left in deaths}) >= 6, "kills hit the dump at different stages"
    assert sum(resumed for resumed, _ in deaths) >= kills // 5
    assert sum(not resumed for resumed, _ in deaths) >= kills // 10
    assert sum(bool(left.partial) for _, left in deaths) >= kills // 20, "kills hit parts that were being written"
    if kills >= 400:  # of a few kills on a busy machine none may hit the short time in which a part is being written
        shortest = min(map(len, many.values()))
        assert any(0 < size < shortest for _, left in deaths for size in left.partial)


# ---------------------------------------------------------------------------------------- killed at each writing call


def first_run(folder: Path, whole: Content) -> Content:
    return {}


def resumed_run(folder: Path, whole: Content) -> Content:
    """The first part is whole, the second has a wrong bit, the third is missing; a killed dump left partial files."""
    damaged = bytearray(whole[part_name(1)])
    damaged[len(damaged) // 2] ^= 1
    folder.mkdir()
    (folder / part_name(0)).write_bytes(whole[part_name(0)])
    (folder / part_name(1)).write_bytes(damaged)
    for number in range(3):
        (folder / f".{part_name(number)}.1.0a1b2c3d.partial").write_bytes(damaged[:30_000])
    return {part_name(1): bytes(damaged)}


@pytest.mark.parametrize("torn", [False, True], ids=["before-the-call", "torn"])
@pytest.mark.parametrize("prepare", [first_run, resumed_run])
def test_a_crash_at_any_writing_call_leaves_whole_parts_only(
    tmp_path: Path, nursery: Obey, few: Content, prepare: Callable[[Path, Content], Content], torn: bool
) -> None:
    deaths: list[tuple[str, set[int], Left]] = []  # the deadly call, acknowledged parts, what is left
    for dies_at in range(1, 1000):
        folder = tmp_path / f"crash-{dies_at}"
        damaged = prepare(folder, few)
        outcome = nursery(Order(folder, FEW, dies_at=dies_at, torn=torn))
        if not outcome.killed:
            break
        assert len(outcome.calls) == dies_at
        left = check_what_is_left(folder, few, outcome.acknowledged, damaged)
        assert dump_images(folder, FEW) == len(left.finished)
        assert content_of(folder) == few
        deaths.append((outcome.calls[-1], outcome.acknowledged, left))
    assert content_of(folder) == few
    assert outcome.acknowledged == ({1, 2} if damaged else {0, 1, 2})
    assert [call for call, *_ in deaths] == outcome.calls, "the run that survived comes to the calls the others died at"

    written = [few[part_name(number)] for number in outcome.acknowledged]
    writes = sum(math.ceil(len(part) / PIECE) for part in written)
    assert len(deaths) == writes + 4 * len(written) + 3 * bool(damaged) >= 15  # of both runs and ways to die: some 75
    assert {call for call, *_ in deaths} == set(WRITE_CALLS if damaged else WRITE_CALLS[:-1])
    assert {len(left.finished) for _, _, left in deaths} >= ({1, 2} if damaged else {0, 1, 2})
    unacknowledged = [left.finished - acknowledged - ({0} if damaged else set()) for _, acknowledged, left in deaths]
    assert any(unacknowledged) == torn, "only after the rename, before it is acknowledged"
    shortest = min(map(len, few.values()))
    sizes = {call: {size for name, _, left in deaths if name == call for size in left.partial} for call in WRITE_CALLS}
    assert any(0 < size < shortest for size in sizes["write"]), "a part was cut while it was written"
    assert any(size % PIECE == PIECE // 2 for size in sizes["write"] if size < shortest) == torn
    assert (max(sizes["replace"], default=0) >= shortest) != torn, "a whole file without its name is no part"


# ------------------------------------------------------------------------------------- an incomplete cache is not read


@pytest.mark.parametrize("finished", [0, 1, 2])
def test_an_interrupted_dump_is_not_read_and_the_missing_part_is_named(
    tmp_path: Path, nursery: Obey, few: Content, finished: int
) -> None:
    calls = nursery(Order(tmp_path / "at-once", FEW)).calls
    renames = [number for number, call in enumerate(calls, 1) if call == "replace"]
    folder = tmp_path / "killed"
    assert nursery(Order(folder, FEW, dies_at=renames[finished])).killed
    left = check_what_is_left(folder, few, set(range(finished)))
    assert left.finished == set(range(finished))
    assert left.partial == [len(few[part_name(finished)])]  # all of the next part but its name

    message = rf"{part_name(finished)}.* is missing; run the dump again" if finished else "holds no parts of a cache"
    for reading in (CacheIndex, CacheReader):
        with pytest.raises(CacheError, match=message):
            reading(folder)
    dump_images(folder, FEW)
    assert CacheIndex(folder).image_ids == ids_of(FEW)


@pytest.mark.parametrize("missing", [0, 1, 2])
def test_the_part_of_a_writer_that_was_not_there_is_named(tmp_path: Path, few: Content, missing: int) -> None:
    for rank in {0, 1, 2} - {missing}:
        dump_images(tmp_path, FEW, share=Share(rank, 3))
    with pytest.raises(CacheError, match=rf"{part_name(missing)} is missing; run the dump again"):
        CacheIndex(tmp_path)
    dump_images(tmp_path, FEW, share=Share(missing, 3))
    assert content_of(tmp_path) == few
    assert CacheIndex(tmp_path).image_ids == ids_of(FEW)


# ------------------------------------------------------------------------------------------------- a disk that is full


@contextmanager
def small_disk(folder: Path, size: int) -> Iterator[Path]:
    """A file system of so many bytes in memory."""
    if os.geteuid() != 0 or shutil.which("mount") is None:
        pytest.skip("needs root and mount(8) to make a disk that is small enough to fill")
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder], capture_output=True, text=True
    )
    if mounted.returncode != 0:
        pytest.skip(f"a small disk cannot be mounted here: {mounted.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)


def test_a_disk_that_is_really_full_keeps_finished_parts_and_the_next_dump_goes_on(
    tmp_path: Path, many: Content
) -> None:
    size = sum(map(len, many.values()))
    with small_disk(tmp_path / "disk", size // 2) as disk:
        folder = disk / "cache"
        with pytest.raises(CacheError, match=r"part-\d+\.h5: the disk is full; \d+ of 12 parts are finished and stay"):
            dump_images(folder, MANY)
        left = check_what_is_left(folder, many, set())
        assert 0 < len(left.finished) < len(many)
        assert left.finished == set(range(len(left.finished)))
        assert left.partial == []
        with pytest.raises(CacheError, match=rf"; {len(left.finished)} of 12 parts are finished and stay"):
            dump_images(folder, MANY)  # no room was made

        subprocess.run(["mount", "-o", f"remount,size={2 * size}", disk], check=True)
        assert dump_images(folder, MANY) == len(left.finished)
        assert content_of(folder) == many
        assert CacheIndex(folder).image_ids == ids_of(MANY)
