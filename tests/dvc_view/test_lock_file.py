"""dvc.lock, read while it is written in pieces."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from threading import Event, Thread

import pytest

from pipeline.commands.status import stages_with_results
from pipeline.common.errors import ReadableError
from pipeline.dvc_view import lock_file
from pipeline.dvc_view.lock_file import read_steadily

STAGES = {f"dump@r-{number}" for number in range(20)}
LOCK = "schema: '2.0'\nstages:\n" + "".join(
    f"  {stage}:\n    cmd: python\n    outs:\n    - path: there\n      md5: 0123\n" for stage in sorted(STAGES)
)


@pytest.fixture
def lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there").touch()
    path = tmp_path / "dvc.lock"
    path.write_text(LOCK)
    monkeypatch.setattr(lock_file, "_REST", 0.05)
    monkeypatch.setattr(lock_file, "_PAUSE", 0.001)
    return path


def reading(lock: Path) -> Callable[[], set[str]]:
    return lambda: stages_with_results(lock)


def test_beside_a_writer_every_reading_is_whole(lock: Path) -> None:
    ended = Event()
    pieces = [LOCK[first : first + 300] for first in range(0, len(LOCK), 300)], LOCK.splitlines(keepends=True)

    def write_in_pieces() -> None:
        for turn in range(6):
            with lock.open("w") as file:
                for piece in pieces[turn % 2]:
                    file.write(piece)
                    file.flush()
                    time.sleep(0.002)
            time.sleep(0.07)
        ended.set()

    writer = Thread(target=write_in_pieces)
    writer.start()
    readings = []
    while not ended.is_set():
        readings.append(read_steadily(lock, reading(lock)))
    writer.join()
    assert len(readings) > 2
    assert all(reading == (STAGES, True) for reading in readings)


@pytest.mark.parametrize("cut", [0, 40, len(LOCK) - 3])
def test_a_piece_is_not_taken_for_the_file(lock: Path, cut: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The rest comes when the piece has been read twice."""
    monkeypatch.setattr(lock_file, "_REST", 0.0)
    lock.write_text(LOCK[:cut])
    calls = []

    def read() -> set[str]:
        calls.append(len(lock.read_text()))
        if len(calls) == 2:
            lock.write_text(LOCK)
        return stages_with_results(lock)

    assert read_steadily(lock, read) == (STAGES, True)
    assert calls[:2] == [cut, cut]


def test_the_same_text_written_again_was_in_pieces_meanwhile(lock: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As `dvc repro --force` does: seen beside a real one."""
    monkeypatch.setattr(lock_file, "_REST", 0.0)
    calls = []

    def read() -> set[str]:
        calls.append(None)
        try:
            if len(calls) == 1:
                lock.write_text("stages: {\n")
            return stages_with_results(lock)
        finally:
            if len(calls) == 1:
                lock.write_text(LOCK)

    assert read_steadily(lock, read) == (STAGES, True)
    assert len(calls) == 2


def test_a_file_that_never_rests_is_read_as_it_was_last(lock: Path) -> None:
    numbers = iter(range(10**6))

    def read() -> int:
        lock.write_text(f"stages: {{a: {next(numbers)}}}\n")
        return 7

    assert read_steadily(lock, read, patience=0.05) == (7, False)

    def fail() -> int:
        read()
        raise ReadableError("cut")

    with pytest.raises(ReadableError, match="cut"):
        read_steadily(lock, fail, patience=0.05)


def test_a_problem_of_something_else_is_told_at_once_and_a_broken_file_soon(
    lock: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []

    def fail() -> None:
        calls.append(None)
        raise ReadableError("params.yaml: is wrong")

    with pytest.raises(ReadableError, match="is wrong"):
        read_steadily(lock, fail)
    assert len(calls) == 1
    monkeypatch.setattr(lock_file, "_QUIET", 0.1)
    lock.write_text("stages: {\n")
    with pytest.raises(ReadableError, match="is not YAML"):
        read_steadily(lock, reading(lock))
    lock.unlink()
    assert read_steadily(lock, reading(lock)) == (set(), True)
