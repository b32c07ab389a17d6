"""What has changed, asked while a stage runs: DVC's own answers, without its locks."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline.common.errors import ReadableError
from pipeline.dvc_view.graph import changed_stages, dvc, environment, find_changes, read_graph
from pipeline.dvc_view.status import reasons_of
from tests.programs import program, wait_until

DVC_YAML = """
stages:
  double:
    cmd: python double.py
    deps: [double.py]
    params: [number]
    outs: [twice]
  show:
    foreach: {a: 1, b: 2}
    do:
      cmd: cp twice/it shown-${key}
      deps: [twice]
      outs:
        - shown-${key}
  always:
    cmd: echo always
    always_changed: true
"""
DOUBLE = "import pathlib; pathlib.Path('twice').mkdir(); pathlib.Path('twice/it').write_text('42')"


def said_by_dvc(folder: Path) -> dict[str, Any]:
    command = [*dvc(), "status", "--json"]
    return json.loads(subprocess.run(command, cwd=folder, env=environment(), capture_output=True, check=True).stdout)


def repro(folder: Path) -> None:
    subprocess.run([*dvc(), "repro", "--quiet"], cwd=folder, env=environment(), check=True)


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    folder = tmp_path / "workspace"
    folder.mkdir()
    (folder / "dvc.yaml").write_text(DVC_YAML, encoding="utf-8")
    (folder / "double.py").write_text(DOUBLE, encoding="utf-8")
    (folder / "params.yaml").write_text("number: 21\n", encoding="utf-8")
    subprocess.run([*dvc(), "init", "--no-scm", "--quiet"], cwd=folder, env=environment(), check=True)
    return folder


@pytest.mark.slow
def test_its_answers_are_those_of_dvc_status(workspace: Path) -> None:
    def agreed() -> dict[str, Any]:
        found = changed_stages(workspace)
        assert found == said_by_dvc(workspace)
        return found

    assert set(agreed()) == {"double", "show@a", "show@b", "always"}
    repro(workspace)
    assert agreed() == {"always": ["always changed"]}
    assert find_changes(workspace).cached == set()
    described = DVC_YAML.replace("    outs: [twice]", "    meta: {gpu: true}\n    outs: [twice]")
    (workspace / "dvc.yaml").write_text(described, encoding="utf-8")
    assert agreed() == {"always": ["always changed"]}, "facts about a stage are no input of it"
    assert read_graph(workspace)["double"].facts.gpu
    (workspace / "shown-b").unlink()
    assert find_changes(workspace).cached == {"show@b"}, "its output was deleted, and its inputs are the same"
    (workspace / "shown-b").write_text("42")
    (workspace / "dvc.lock").unlink()
    assert find_changes(workspace).cached == {"double", "show@a", "show@b"}, "results of the run cache"
    repro(workspace)
    (workspace / "params.yaml").write_text("number: 4\n", encoding="utf-8")
    assert find_changes(workspace).cached == set()
    (workspace / "shown-a").unlink()
    shutil.rmtree(workspace / "twice")
    (workspace / "dvc.yaml").write_text(DVC_YAML.replace("cp twice", "cp  twice"), encoding="utf-8")
    assert set(agreed()) == {"double", "show@a", "show@b", "always"}
    assert "changed command" in agreed()["show@b"]


def test_a_stage_that_runs_does_not_keep_it_from_saying_so(
    workspace: Path, started: Callable[..., subprocess.Popen]
) -> None:
    repro(workspace)
    (workspace / "double.py").write_text("import time; open('begun', 'w').close(); time.sleep(60)", encoding="utf-8")
    process = started([program("dvc"), "repro", "double"], workspace, workspace.parent / "log")
    wait_until((workspace / "begun").exists, 60, "the stage runs", process)
    found = changed_stages(workspace)
    assert set(found) == {"double", "show@a", "show@b", "always"}
    assert {"changed outs": {"twice": "deleted"}} in found["double"]
    assert find_changes(workspace).cached == set(), "no result of this program"
    with pytest.raises(subprocess.CalledProcessError):
        said_by_dvc(workspace)
    assert process.poll() is None


def test_what_is_being_written_has_changed() -> None:
    class Vanishing:
        deps, frozen, is_callback, always_changed = (), False, False, False
        changed_stage = staticmethod(lambda: False)

        @property
        def outs(self) -> list[Any]:
            raise FileNotFoundError(2, "No such file", "runs/x/model.pt")

    assert reasons_of(Vanishing()) == [{"changed outs": {"runs/x/model.pt": "being written"}}]


def test_stages_that_dvc_cannot_read_are_told_in_its_words(workspace: Path) -> None:
    (workspace / "dvc.yaml").write_text("stages: {a: 3}", encoding="utf-8")
    with pytest.raises(ReadableError, match=r"DVC cannot say what has changed:\n'./dvc.yaml' validation failed$"):
        changed_stages(workspace)
