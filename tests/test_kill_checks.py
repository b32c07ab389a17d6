"""The campaign of kills (`bench.kill`) notices what it looks for; what it draws, and its kills at file operations."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from bench.kill.faults import AT_A_TIME, AT_AN_OPERATION, Deck, Fault, Kind
from bench.kill.file_operations import SOURCE
from bench.kill.reference import Reference, Stage
from bench.kill.trial import Acknowledged, Struck
from pipeline.dvc_view import torn_files

TEXT = b"a result"
KEY = hashlib.md5(TEXT).hexdigest()


def struck(victim: str = "stage", begun: tuple[str, ...] = ()) -> Struck:
    return Struck([(Fault(Kind("SIGKILL", victim, "time"), "dump@a"), "")], None, {}, list(begun), [])


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(torn_files, "QUIET_SECONDS", 0)
    record(tmp_path, KEY)
    cached(tmp_path).parent.mkdir(parents=True)
    cached(tmp_path).write_bytes(TEXT)
    return tmp_path


@pytest.fixture
def acknowledged(workspace: Path) -> Acknowledged:
    return Acknowledged(workspace, Reference(workspace, {"dump@a": Stage(1.0, 1, 1, {"runs/a": KEY})}, {}, 10**6))


def record(workspace: Path, key: str) -> None:
    lock = {"schema": "2.0", "stages": {"dump@a": {"cmd": "x", "outs": [{"path": "runs/a", "md5": key}]}}}
    with (workspace / "dvc.lock").open("w") as file:
        YAML(typ="safe").dump(lock, file)


def cached(workspace: Path) -> Path:
    return workspace / ".dvc" / "cache" / "files" / "md5" / KEY[:2] / KEY[2:]


def test_what_holds_is_no_problem(acknowledged: Acknowledged) -> None:
    assert acknowledged.problems(struck(begun=("dump@a",))) == ([], [])
    assert acknowledged.problems(struck()) == ([], [])


def test_a_result_with_other_bytes_is_noticed(acknowledged: Acknowledged, workspace: Path) -> None:
    record(workspace, "0" * 32)
    assert "dump@a: runs/a was recorded with other bytes" in acknowledged.problems(struck())[0]


def test_damage_in_the_cache_is_noticed(acknowledged: Acknowledged, workspace: Path) -> None:
    cached(workspace).write_bytes(TEXT[:3])
    assert acknowledged.problems(struck())[0] == ["dump@a: runs/a was recorded, and its bytes are not in the cache"]
    assert len(acknowledged.at_the_end()) == 1


def test_a_lost_result_and_one_that_runs_again_are_noticed(acknowledged: Acknowledged, workspace: Path) -> None:
    acknowledged.problems(struck())
    (workspace / "dvc.lock").unlink()
    problems, torn = acknowledged.problems(struck(begun=("dump@a",)))
    assert problems == ["dump@a: was recorded, and is not any more", "dump@a: was recorded, and runs again"]
    assert torn == []


def test_a_killed_dvc_may_leave_its_file_cut_but_nothing_runs_again(
    acknowledged: Acknowledged, workspace: Path
) -> None:
    acknowledged.problems(struck("DVC"))
    (workspace / "dvc.lock").write_text("")
    assert acknowledged.problems(struck("DVC")) == ([], ["dvc.lock"])
    assert acknowledged.problems(struck(begun=("dump@a",)))[0] == ["dump@a: was recorded, and runs again"]


def test_files_that_pile_up_are_noticed(acknowledged: Acknowledged, workspace: Path) -> None:
    work = workspace / ".roundabout" / "work" / "adapt-a"
    work.mkdir(parents=True)
    for number in (1, 2):
        (work / f".checkpoint.pt.{number}.partial").touch()
    assert "left 2 times" in acknowledged.problems(struck())[0][0]


def test_each_kind_is_drawn_as_often_and_no_operation_twice() -> None:
    kinds = AT_A_TIME + AT_AN_OPERATION
    faults = [Deck("1", kinds).draw("dump@a", 1.0, 40, 40) for _ in range(2)]
    assert faults[0] == faults[1], "the same seed draws the same"
    deck = Deck("1", kinds)
    drawn = [deck.draw("dump@a", 1.0, 40, 40) for _ in range(3 * len(kinds))]
    assert Counter(fault.kind for fault in drawn) == {kind: 3 * count for kind, count in Counter(kinds).items()}
    numbers = [fault.number for fault in drawn if fault.kind.victim == "stage" and fault.kind.at_an_operation]
    assert len(numbers) == len(set(numbers)) == 18
    assert all(1 <= number <= 40 for number in numbers)


WRITER = """
import ctypes, os, sys
library, folder, number, torn = sys.argv[1:]
ctypes.CDLL(library).kill_at(folder.encode(), b"", ctypes.c_long(int(number)), int(torn), 1)
file = os.open(folder + "/new", os.O_WRONLY | os.O_CREAT)
os.write(file, b"12345678")
os.rename(folder + "/new", folder + "/old")
print("at its end")
"""


@pytest.mark.skipif(shutil.which("gcc") is None, reason="needs gcc")
@pytest.mark.parametrize(
    ("number", "torn", "operation", "files"),
    [
        (1, False, "open", {}),
        (1, True, "open", {"new": b""}),
        (2, False, "write", {"new": b""}),
        (2, True, "write", {"new": b"1234"}),
        (3, False, "rename", {"new": b"12345678"}),
        (3, True, "rename", {"old": b"12345678"}),
        (4, False, "at its end", {"old": b"12345678"}),
    ],
)
def test_a_process_dies_at_an_operation(
    library: Path, tmp_path: Path, number: int, torn: bool, operation: str, files: dict[str, bytes]
) -> None:
    command = [sys.executable, "-S", "-c", WRITER, str(library), str(tmp_path), str(number), str(int(torn))]
    answer = subprocess.run(
        command, env={**os.environ, "LD_PRELOAD": str(library)}, capture_output=True, text=True, check=False
    )
    assert operation in answer.stdout
    assert answer.returncode == (0 if number == 4 else -9)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == files


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("library") / "operations.so"
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", path, SOURCE, "-ldl"], check=True)
    return path
