"""An answer of DVC that is kept is the one that DVC would give now, whatever has changed since."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from collections.abc import Callable
from contextlib import chdir
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from dvc.repo import Repo

from pipeline.dvc_view import last_answer, status
from pipeline.dvc_view.graph import dvc, environment
from pipeline.dvc_view.last_answer import ANSWER, find_changes_again

DVC_YAML = """
stages:
  double:
    cmd: cp -r code twice
    deps: [code]
    params: [number, {more.yaml: [other]}]
    outs: [twice]
  show:
    foreach: ${runs}
    do:
      cmd: cp twice/a.py shown-${key}
      deps: [twice]
      outs: ["shown-${key}"]
"""


def replaced(name: str, old: str, new: str) -> Callable[[Path], None]:
    def replace(folder: Path) -> None:
        path = folder / name
        path.write_text(path.read_text().replace(old, new))

    return replace


def written(name: str, text: str) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).unlink(missing_ok=True)  # it may be a link into DVC's cache
        (folder / name).write_text(text)

    return write


def without_objects(folder: Path) -> None:
    shutil.rmtree(folder / ".dvc" / "cache" / "files")


CHANGES: dict[str, Callable[[Path], None]] = {
    "a param": replaced("params.yaml", "21", "22"),
    "another param": replaced("params.yaml", "unused: 1", "unused: 2"),
    "a param of another file": replaced("more.yaml", "1", "2"),
    "one more run": replaced("params.yaml", "b: 1", "b: 1, c: 2"),
    "a command": replaced("dvc.yaml", "cp twice", "cp  twice"),
    "a file of a folder": written("code/a.py", "other"),
    "one more file": written("code/b.py", "more"),
    "one more folder": written("code/more/b.py", "more"),
    "an output": written("shown-a", "other"),
    "no output": lambda folder: (folder / "shown-a").unlink(),
    "no folder": lambda folder: shutil.rmtree(folder / "twice"),
    "dvc.lock": replaced("dvc.lock", "cmd: cp twice", "cmd: cp"),
    "no dvc.lock": lambda folder: (folder / "dvc.lock").unlink(),
    "no objects in the cache": without_objects,
    "a file that does not count": written("code/notes.txt", "ignored"),
    "what does not count": written(".dvcignore", "a.py"),
    "data that was added": written("new.dvc", "outs: [{path: new.csv, md5: 0123456789abcdef0123456789abcdef}]"),
    "more stages in a folder": written("below/dvc.yaml", "stages: {more: {cmd: echo more > more, outs: [more]}}"),
}


WITHOUT_EFFECT = {"another param", "a file that does not count"}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("finished") / "workspace"
    for name, text in {
        "dvc.yaml": DVC_YAML,
        "params.yaml": "number: 21\nunused: 1\nruns: {a: 1, b: 1}\n",
        "more.yaml": "other: 1\n",
        ".dvcignore": "*.txt\n",
        "code/a.py": "1",
        "code/notes.txt": "ignored",
        "below/notes.txt": "no stages yet",
    }.items():
        written(name, text)(folder)
    for command in (["init", "--no-scm", "--quiet"], ["config", "cache.type", "copy"], ["repro", "--quiet"]):
        subprocess.run([*dvc(), *command], cwd=folder, env=environment(), check=True)
    return folder


@pytest.fixture
def workspace(finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(last_answer, "_JUST_NOW", 0)
    folder = tmp_path / "workspace"
    shutil.copytree(finished, folder)
    (folder / ANSWER.parent).mkdir()
    return folder


class Asked:
    """DVC in this process, which counts the questions."""

    def __init__(self) -> None:
        self.questions = 0

    def __call__(self, folder: Path) -> dict[str, Any]:
        self.questions += 1
        with chdir(folder), Repo() as repo:
            return json.loads(json.dumps(status._view(repo), default=str))


def answered(workspace: Path, asked: Asked) -> dict[str, list[Any]]:
    time.sleep(0.02)  # longer than the clock's ticks
    return find_changes_again(workspace, asked).reasons


def said_by_dvc(folder: Path) -> dict[str, Any]:
    with chdir(folder), Repo() as repo:
        return repo.status()


@pytest.mark.parametrize("change", CHANGES)
def test_after_each_change_the_answer_is_dvc_s(workspace: Path, change: str) -> None:
    asked = Asked()
    assert answered(workspace, asked) == {}
    assert answered(workspace, asked) == {}
    assert asked.questions == 1, "nothing has changed"
    CHANGES[change](workspace)
    expected = said_by_dvc(workspace)
    assert answered(workspace, asked) == expected
    assert answered(workspace, asked) == expected
    assert (expected == {}) == (change in WITHOUT_EFFECT)


def test_what_has_changed_just_now_may_change_again(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(last_answer, "_JUST_NOW", 60 * 10**9)
    asked = Asked()
    answered(workspace, asked)
    answered(workspace, asked)
    assert asked.questions == 2
    assert not (workspace / ANSWER).exists()


def test_a_damaged_answer_is_none_and_a_folder_of_others_keeps_none(workspace: Path) -> None:
    asked = Asked()
    answered(workspace, asked)
    (workspace / ANSWER).write_bytes(b'{"traces": {')
    assert answered(workspace, asked) == {}
    assert asked.questions == 2
    shutil.rmtree(workspace / ANSWER.parent)
    (workspace / ANSWER.parent).touch()  # as where it cannot be made
    assert answered(workspace, asked) == answered(workspace, asked) == {}
    assert asked.questions == 4


def test_what_is_read_from_elsewhere_is_asked_each_time(workspace: Path) -> None:
    remote = SimpleNamespace(deps=[SimpleNamespace(protocol="s3")], outs=[SimpleNamespace(protocol="local")])
    assert status._looks_elsewhere([remote])
    asked = Asked()

    def with_a_bucket(folder: Path) -> dict[str, Any]:
        return {**asked(folder), "looked_at": None}

    for _ in range(2):
        time.sleep(0.02)
        assert find_changes_again(workspace, with_a_bucket).reasons == {}
    assert asked.questions == 2


@pytest.mark.parametrize("text", ["", "{", "[]", "{}"])
def test_a_kept_answer_that_cannot_be_read_is_asked_for_again(tmp_path: Path, text: str) -> None:
    (tmp_path / ANSWER).parent.mkdir()
    (tmp_path / ANSWER).write_text(text)
    asked = []

    def ask(folder: Path) -> dict[str, Any]:
        asked.append(folder)
        return {"reasons": {}, "cached": [], "needs": {}, "meta": {}, "looked_at": None}

    assert find_changes_again(tmp_path, ask).reasons == {}
    assert asked == [tmp_path]
