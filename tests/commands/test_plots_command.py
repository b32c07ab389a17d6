"""`roundabout plots`: DVC's page of plots without addresses of scripts."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from typer.testing import CliRunner

from bench.workspace import run
from pipeline.cli import app
from pipeline.commands import plots

DVC_YAML = """
plots:
  - curve.csv:
      x: step
      y: loss
"""


@pytest.fixture(autouse=True)
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "vl_convert", SimpleNamespace(javascript_bundle=lambda: "window.vegaEmbed = 1;"))
    run(tmp_path, "dvc", "init", "--no-scm", "--quiet")
    return tmp_path


def test_the_page_has_all_that_it_needs(workspace: Path) -> None:
    empty = CliRunner().invoke(app, ["plots"])
    assert empty.exit_code == 1
    assert "run `dvc repro` first, or mend dvc.yaml. DVC says: No plots were loaded" in empty.stderr
    (workspace / "dvc.yaml").write_text(DVC_YAML)
    (workspace / "curve.csv").write_text("step,loss\n1,0.5\n2,0.25\n")
    answer = CliRunner().invoke(app, ["plots", "--out", "drawn"])
    assert (answer.exit_code, answer.stdout.split(":")[0]) == (0, "drawn/index.html"), answer.output
    page = (workspace / "drawn" / "index.html").read_text()
    assert "<script>window.vegaEmbed = 1;</script>" in page
    assert "vegaEmbed(" in page and '"loss": "0.25"' in page
    assert "src=" not in page and "cdn" not in page


def test_without_the_package_it_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "vl_convert", None)
    answer = CliRunner().invoke(app, ["plots"])
    assert answer.exit_code == 1
    assert "pip install 'roundabout[plots]'" in answer.stderr and "report/index.html" in answer.stderr


def test_a_full_disk_is_named(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    full = SimpleNamespace(returncode=255, stderr="ERROR: unexpected error - [Errno 28] No space left on device")
    monkeypatch.setattr(plots.subprocess, "run", lambda *_, **__: full)
    answer = CliRunner().invoke(app, ["plots", "--out", "drawn"])
    assert answer.exit_code == 1
    assert answer.stderr.startswith("drawn: the disk is full; ")
