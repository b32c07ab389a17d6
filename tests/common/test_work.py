"""Working folders: found again by the same inputs, never by others, one process at a time."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

import pipeline.common.class_set
import pipeline.common.work
from pipeline.common.code import WITHOUT_EFFECT, has_effect
from pipeline.common.work import code_version, publish, working_folder


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A current directory of its own."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def left_by_a_failure(stage: str, **inputs: object) -> Path:
    with pytest.raises(RuntimeError, match="killed"), working_folder(stage, **inputs) as folder:
        (folder / "half").write_text("done so far")
        raise RuntimeError("killed")
    return folder.resolve()


def test_a_folder_is_removed_with_its_lock_on_success(here: Path) -> None:
    with working_folder("dump", model="a") as folder:
        assert folder.is_dir()
    assert list((here / pipeline.common.work.WORK).rglob("*")) == []


def test_the_same_inputs_find_what_a_failed_run_left(here: Path) -> None:
    left = left_by_a_failure("dump", model="a", size=(1, 2))
    with working_folder("dump", size=[1, 2], model="a") as folder:
        assert folder.resolve() == left
        assert (folder / "half").read_text() == "done so far"


def test_what_killed_writers_left_does_not_pile_up(here: Path) -> None:
    left = left_by_a_failure("adapt", model="a")
    for name in (".checkpoint.pt.71.partial", ".checkpoint.pt.72.partial", ".trained.pt.72.tmp"):
        (left / name).write_text("cut")
    with working_folder("adapt", model="a") as folder:
        assert [path.name for path in folder.iterdir()] == ["half"]


@pytest.mark.parametrize(("stage", "inputs"), [("dump", {"model": "b"}), ("adapt", {"model": "a"}), ("dump", {})])
def test_other_inputs_get_another_folder(here: Path, stage: str, inputs: dict[str, str]) -> None:
    left = left_by_a_failure("dump", model="a")
    with working_folder(stage, **inputs) as folder:
        assert folder.resolve() != left
        assert not list(folder.iterdir())
    assert (left / "half").exists()


def test_changed_code_gets_another_folder(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    left = left_by_a_failure("dump", model="a")
    monkeypatch.setattr(pipeline.common.work, "code_version", lambda: "another")
    with working_folder("dump", model="a") as folder:
        assert folder.resolve() != left


def test_the_codes_version_follows_the_source_of_an_imported_module(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = code_version()
    assert before == code_version()
    source = tmp_path / "class_set.py"
    source.write_bytes(Path(pipeline.common.class_set.__file__).read_bytes() + b"# one more line\n")
    real = pipeline.common.work._source
    monkeypatch.setattr(
        pipeline.common.work, "_source", lambda m: str(source) if m is pipeline.common.class_set else real(m)
    )
    assert code_version() != before


def test_the_codes_version_is_not_that_of_what_only_looks_on() -> None:
    program = (
        "import pipeline.common.errors; from pipeline.common.work import code_version; before = code_version();"
        "import pipeline.timing.log, pipeline.timing.energy, pipeline.dvc_view.edit_guard;"
        "assert code_version() == before;"
        "import pipeline.common.box; assert code_version() != before"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_what_no_result_depends_on_is_there_and_has_its_reason() -> None:
    for name, reason in WITHOUT_EFFECT.items():
        assert find_spec(name.removesuffix(".__init__")), f"{name}: there is no such module"
        assert reason
    assert not has_effect("pipeline.params.data") and not has_effect("pipeline.params.__init__")
    assert has_effect("pipeline.common.box") and has_effect("pipeline.params_of_another_name")


def test_a_check_keeps_a_result_from_its_place(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline.common.work, "_checks", [])

    def check() -> None:
        raise RuntimeError("edited")

    pipeline.common.work.before_publishing(check)
    Path("made").write_text("new")
    with pytest.raises(RuntimeError, match="edited"):
        publish(Path("made"), Path("output"))
    assert not Path("output").exists()


# ------------------------------------------------------------------------------------------------- several processes

WORKER = """
import sys
from pipeline.common.work import working_folder
with working_folder("dump", model="a") as folder:
    print("in, finds", sorted(path.name for path in folder.iterdir()), flush=True)
    (folder / "half").write_text("")
    sys.stdin.readline()
"""


class Worker:
    """A process in the same working folder; ``said`` waits for its next line."""

    def __init__(self, folder: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", WORKER],
            cwd=folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def said(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def finish(self) -> int:
        self.process.communicate("\n", timeout=30)
        return self.process.returncode


@pytest.fixture
def workers(tmp_path: Path) -> Iterator[list[Worker]]:
    """Three processes that want the same folder; the first has it, the others are yet to be asked."""
    started: list[Worker] = []

    class Lazy(list):
        def __getitem__(self, index: int) -> Worker:  # type: ignore[override]
            while len(started) <= index:
                started.append(Worker(tmp_path))
            return started[index]

    yield Lazy()
    for worker in started:
        worker.process.kill()
        worker.process.communicate()


def test_a_second_process_waits_and_then_finds_what_a_killed_one_left(workers: list[Worker]) -> None:
    assert workers[0].said() == "in, finds []"
    holder = (
        rf"another process works here \(process {workers[0].process.pid} on {socket.gethostname()} since \d{{4}}-.*\)"
    )
    assert re.search(holder + "; waiting", workers[1].said())
    workers[0].process.kill()
    assert workers[1].said() == "in, finds ['half']"
    assert workers[1].finish() == 0


def test_a_second_process_begins_afresh_when_the_first_has_finished(workers: list[Worker]) -> None:
    assert workers[0].said() == "in, finds []"
    assert "waiting" in workers[1].said()
    assert workers[0].finish() == 0
    assert workers[1].said() == "in, finds []"
    assert workers[1].finish() == 0


def test_a_third_process_waits_for_the_second(workers: list[Worker]) -> None:
    assert workers[0].said() == "in, finds []"
    assert "waiting" in workers[1].said()
    assert workers[0].finish() == 0
    assert workers[1].said() == "in, finds []"
    assert "waiting" in workers[2].said()


SHARER = """
import sys
from pipeline.common.work import shared_working_folder
def finish(folder):
    print("last, finds", sorted(path.name for path in folder.iterdir()), flush=True)
    return len(list(folder.iterdir())) == int(sys.argv[2])
with shared_working_folder("dump", finish, model="a") as folder:
    print("in", flush=True)
    sys.stdin.readline()
    (folder / sys.argv[1]).write_text("")
"""


def test_of_several_who_share_a_folder_the_last_one_finishes_it(tmp_path: Path) -> None:
    def start(name: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", SHARER, name, "3"]
        process = subprocess.Popen(command, cwd=tmp_path, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        assert process.stdout.readline() == "in\n"
        return process

    first, second = start("first"), start("second")
    assert second.communicate("\n", timeout=30)[0] == "", "the other one is at work still"
    assert first.communicate("\n", timeout=30)[0] == "last, finds ['first', 'second']\n"
    left = tmp_path / pipeline.common.work.WORK
    assert [path.name for path in next(path for path in left.iterdir() if path.is_dir()).iterdir()]
    third = start("third")
    assert third.communicate("\n", timeout=30)[0] == "last, finds ['first', 'second', 'third']\n"
    assert list(left.iterdir()) == []


def test_a_job_publishes_into_its_own_folder(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROUNDABOUT_OUTPUTS", "job/outputs")
    (here / "made").write_text("new")
    publish(Path("made"), Path("runs/x/model.pt"))
    assert (here / "job" / "outputs" / "runs" / "x" / "model.pt").read_text() == "new"
    assert not (here / "runs").exists()


# ------------------------------------------------------------------------------------------------------------ publish


def test_publishing_replaces_a_read_only_hard_link_and_leaves_dvcs_copy(tmp_path: Path) -> None:
    kept, output, made = tmp_path / "cache-object", tmp_path / "runs" / "model.pt", tmp_path / "made.pt"
    kept.write_text("old")
    kept.chmod(0o444)
    output.parent.mkdir()
    os.link(kept, output)
    made.write_text("new")

    publish(made, output)

    assert (kept.read_text(), output.read_text()) == ("old", "new")
    assert not made.exists()


def test_publishing_replaces_a_symbolic_link_and_leaves_its_target(tmp_path: Path) -> None:
    for kind in ("file", "folder"):
        kept, output, made = (tmp_path / f"{kind}-{what}" for what in ("kept", "output", "made"))
        for place, text in ((kept, "old"), (made, "new")):
            content = place / "a" if kind == "folder" else place
            content.parent.mkdir(exist_ok=True)
            content.write_text(text)
        output.symlink_to(kept)
        publish(made, output)
        assert not output.is_symlink()
        suffix = "a" if kind == "folder" else ""
        assert ((kept / suffix).read_text(), (output / suffix).read_text()) == ("old", "new")


def test_a_published_folder_replaces_the_old_one_whole(tmp_path: Path) -> None:
    made, output = tmp_path / "made", tmp_path / "deep" / "output"
    output.mkdir(parents=True)
    (output / "stale").write_text("")
    made.mkdir()
    (made / "fresh").write_text("")
    publish(made, output)
    assert [path.name for path in output.iterdir()] == ["fresh"]
    assert not made.exists()
