"""The log of the stages' times: it keeps what was resumed and what was killed apart, and never fails a stage."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pipeline.timing.log import TIMES, Attempt, Work, last_works, read, record, recorded, works_of


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def attempt(seconds: float | None, ended: str) -> Attempt:
    return Attempt("2026-01-01T00:00:00+00:00", seconds, ended, {"cpu": 10.0} if seconds else {})


def test_what_is_recorded_is_read() -> None:
    record("adapt", "lse-1", 12.5, joules={"gpu": 3.0})
    record("adapt", "lse-1", 2.0)
    record("prepare", "", 1.0, ended="failed")
    found = read()
    assert [(entry.seconds, entry.ended, entry.joules) for entry in found["adapt", "lse-1"]] == [
        (12.5, "finished", {"gpu": 3.0}),
        (2.0, "finished", {}),
    ]
    assert [entry.ended for entry in found["prepare", ""]] == ["failed"]
    assert read(Path("nowhere")) == {}


def test_a_running_attempt_is_replaced_when_it_ends() -> None:
    begun = datetime.now(UTC)
    record("dump", "a", None, ended="running", begun=begun)
    record("dump", "a", 3.0, begun=begun)
    assert [(entry.seconds, entry.ended) for entry in read()["dump", "a"]] == [(3.0, "finished")]


def test_a_result_took_all_attempts_since_the_result_before() -> None:
    attempts = [
        attempt(100.0, "finished"), attempt(5.0, "stopped"), attempt(None, "running"), attempt(7.0, "finished"),
        attempt(1.0, "failed"),
    ]  # fmt: skip
    first, last = Work(100.0, {"cpu": 10.0}, unknown=0), Work(12.0, {"cpu": 20.0}, unknown=1)
    assert works_of(attempts) == [first, last]
    assert works_of(attempts[:1]) == [first]
    assert works_of(attempts[1:3]) == []


def test_shares_that_run_at_the_same_time_are_one_result(monkeypatch: pytest.MonkeyPatch) -> None:
    def share(number: int, of: int, seconds: float, minute: int) -> None:
        begun = datetime(2026, 1, 1, 0, minute, tzinfo=UTC)
        record("dump", f"a~{number}of{of}", seconds, joules={"gpu": seconds}, begun=begun)

    record("dump", "a", 50.0, begun=datetime(2026, 1, 1, tzinfo=UTC))
    for number, seconds in enumerate((7.0, 9.0, 8.0)):
        share(number, 3, seconds, minute=1)
    assert last_works() == {("dump", "a"): Work(9.0, {"gpu": 24.0}, unknown=0)}
    share(0, 2, 1.0, minute=2)
    assert last_works()["dump", "a"].seconds == 9.0, "the other half is not made"
    share(1, 2, 2.0, minute=2)
    assert last_works()["dump", "a"].seconds == 2.0
    record("dump", "a", 30.0, begun=datetime(2026, 1, 1, 0, 3, tzinfo=UTC))
    assert last_works()["dump", "a"] == Work(30.0, {}, unknown=0)
    monkeypatch.setenv("ROUNDABOUT_SHARE", "1/4")
    with recorded("dump", "b", time.monotonic()):
        pass
    assert [(TIMES / f"dump@{name}.json").exists() for name in ("b", "b~1of4")] == [False, True]
    assert ("dump", "b") not in last_works()


@pytest.mark.parametrize(
    ("error", "ended"), [(None, "finished"), (KeyboardInterrupt(), "stopped"), (ValueError(), "failed")]
)
def test_how_a_block_ended_is_recorded(error: BaseException | None, ended: str) -> None:
    def work() -> None:
        with recorded("adapt", "lse-1", time.monotonic() - 2.0):
            assert read()["adapt", "lse-1"][0].ended == "running"
            if error:
                raise error

    if error is None:
        work()
    else:
        with pytest.raises(type(error)):
            work()
    (entry,) = read()["adapt", "lse-1"]
    assert entry.ended == ended
    assert entry.seconds is not None and 2.0 <= entry.seconds < 60


def test_a_kill_leaves_a_trace(here: Path) -> None:
    code = "import os, signal, time\nfrom pipeline.timing.log import recorded\n"
    code += "with recorded('adapt', 'lse-1', time.monotonic()):\n    os.kill(os.getpid(), signal.SIGKILL)\n"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == -9
    record("adapt", "lse-1", 4.0)
    (work,) = works_of(read()["adapt", "lse-1"])
    assert (work.seconds, work.unknown) == (4.0, 1)


def test_a_log_that_cannot_be_written_fails_no_stage(here: Path) -> None:
    (here / ".roundabout").write_text("a file where the folder should be")
    done = []
    with recorded("adapt", "lse-1", time.monotonic()):
        done.append(1)
    assert done == [1]


def test_a_torn_log_is_forgotten_and_an_old_one_does_not_grow() -> None:
    TIMES.mkdir(parents=True)
    (TIMES / "dump@a.json").write_text("[{")
    assert read() == {("dump", "a"): []}
    for number in range(30):
        record("dump", "a", float(number))
    kept = json.loads((TIMES / "dump@a.json").read_text())
    assert len(kept) == 20
    assert kept[-1]["seconds"] == 29.0
