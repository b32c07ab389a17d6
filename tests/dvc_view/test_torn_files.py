"""Files that a killed DVC leaves cut are found, and only those; a night sets them aside."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from bench.workspace import ROOT
from pipeline.cli import app
from pipeline.dvc_view import torn_files
from pipeline.dvc_view.torn_files import ASIDE, LOCK, RWLOCK, set_torn_files_aside

WHOLE = """schema: '2.0'
stages:
  prepare:
    cmd: exec python -m stages.prepare
    outs:
    - path: data/prepared/source
      hash: md5
      md5: 0123456789abcdef.dir
      size: 12
      nfiles: 3
"""


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(torn_files, "QUIET_SECONDS", 0)
    (tmp_path / RWLOCK).parent.mkdir(parents=True)
    (tmp_path / RWLOCK).write_text("{}")
    (tmp_path / LOCK).write_text(WHOLE)
    return tmp_path


@pytest.mark.parametrize("cut", ["", WHOLE[:5], WHOLE[: WHOLE.index("nfiles") + 2], WHOLE[: WHOLE.index("d5\n")]])
def test_a_cut_lock_file_is_set_aside(workspace: Path, cut: str) -> None:
    (workspace / LOCK).write_text(cut)
    assert set_torn_files_aside(workspace) == [LOCK]
    assert not (workspace / LOCK).exists()
    assert (workspace / ASIDE / "dvc.lock").read_text() == cut


@pytest.mark.parametrize("cut", ["", '{"/runs/x": {"wri'])
def test_a_cut_list_of_processes_is_set_aside(workspace: Path, cut: str) -> None:
    (workspace / RWLOCK).write_text(cut)
    assert set_torn_files_aside(workspace) == [RWLOCK]
    assert not (workspace / RWLOCK).exists()


@pytest.mark.parametrize("text", [WHOLE, f"<<<<<<< HEAD\n{WHOLE}=======\n{WHOLE}>>>>>>> other\n"])
def test_whole_files_and_conflicts_of_git_stay(workspace: Path, text: str) -> None:
    (workspace / LOCK).write_text(text)
    assert set_torn_files_aside(workspace) == []
    assert (workspace / LOCK).read_text() == text


def test_a_file_that_is_being_written_stays(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (workspace / LOCK).write_text(WHOLE[:5])
    monkeypatch.setattr(torn_files.time, "sleep", lambda _: (workspace / LOCK).write_text(WHOLE))
    assert set_torn_files_aside(workspace) == []
    assert (workspace / LOCK).read_text() == WHOLE


@pytest.mark.parametrize("command", ["check", "status", "overnight --dry-run"])
def test_commands_say_what_to_do_and_write_nothing(
    workspace: Path, write_params, tiny_params, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.chdir(workspace)
    (workspace / ".dvc" / "config").touch()
    shutil.copy(ROOT / "dvc.yaml", workspace)
    (workspace / "pipeline" / "params").mkdir(parents=True)
    shutil.copy(ROOT / "pipeline" / "params" / "changed_defaults.yaml", workspace / "pipeline" / "params")
    write_params(tiny_params)
    (workspace / LOCK).write_text("")
    answer = CliRunner().invoke(app, command.split())
    assert answer.exit_code == 1
    assert "run `rm dvc.lock`" in " ".join(answer.output.split())
    assert (workspace / LOCK).exists()
