"""Adaptation never opens a label of the target: every file that the stages of a round open is watched."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from bench.pipeline import tiny_params
from bench.workspace import make_workspace, run

ROOT = Path(__file__).resolve().parents[1]

_WATCH = """
import os, runpy, sys
def watch(event, arguments):
    if event == "open" and isinstance(arguments[0], (str, bytes)):
        with_path = os.fsdecode(arguments[0])
        if not with_path.endswith("opened.txt"):
            os.write(log, (os.path.abspath(with_path) + "\\n").encode())
log = os.open("opened.txt", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
sys.addaudithook(watch)
sys.argv = sys.argv[1:]
runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
"""


def opened_by(workspace: Path, stage: str, *arguments: str) -> list[str]:
    log = workspace / "opened.txt"
    log.unlink(missing_ok=True)
    run(workspace, sys.executable, "-c", _WATCH, f"stages.{stage}", *arguments)
    return log.read_text(encoding="utf-8").splitlines()


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    folder = tmp_path_factory.mktemp("privacy")
    params = tiny_params()
    params["initial_models"]["advent"] = {"supervision": "source", "alignment": "advent"}
    tiny_cyclegan = {"method": "cyclegan", "steps": 1, "crop": [32, 32], "width": 2, "blocks": 1}
    params["translations"] = {"fourier": {"method": "fourier"}, "cyclegan": tiny_cyclegan}
    params["initial_models"]["translated"] = {"supervision": "fourier", "alignment": "none"}
    make_workspace(folder, params)
    run(folder, sys.executable, "-m", "stages.prepare")
    return folder


def test_target_labels_are_opened_by_evaluation_alone(workspace):
    private = str(workspace / "data" / "prepared" / "target-labelled")
    for stage, kind, name in (
        ("translate", "--translation", "fourier"),
        ("translate", "--translation", "cyclegan"),
        ("pretrain", "--initial-model", "translated"),
        ("pretrain", "--initial-model", "source-only"),
        ("pretrain", "--initial-model", "advent"),
        ("dump", "--round", "lse-1"),
        ("selection", "--round", "lse-1"),
        ("patches", "--round", "lse-1"),
        ("adapt", "--round", "lse-1"),
        ("health", "--round", "lse-1"),
    ):
        opened = opened_by(workspace, stage, kind, name)
        assert not [path for path in opened if path.startswith(private)], f"{stage} opened labels of the target"
        assert len(opened) > 10  # the watch does watch
    assert [path for path in opened_by(workspace, "evaluate", "--run", "lse-1") if path.startswith(private)]


def test_only_an_alignment_opens_target_images_before_the_first_round(workspace):
    images = str(workspace / "data" / "prepared" / "target" / "images")
    for name, expected in (("source-only", False), ("advent", True)):
        opened = opened_by(workspace, "pretrain", "--initial-model", name)
        assert any(path.startswith(images) for path in opened) == expected, name


def test_a_round_needs_no_target_labels(workspace):
    assert not list((workspace / "data" / "prepared" / "target").rglob("*label*"))
    manifest = (workspace / "data" / "prepared" / "target" / "manifest.jsonl").read_text(encoding="utf-8")
    assert '"label":null' in manifest and '"label":"' not in manifest
    environment = {**os.environ, "PYTHONPATH": str(workspace)}
    (workspace / "data" / "prepared" / "target-labelled").rename(workspace / "hidden")
    try:
        answer = subprocess.run(
            [sys.executable, "-m", "stages.dump", "--round", "lse-1"], cwd=workspace, env=environment, check=False
        )
    finally:
        (workspace / "hidden").rename(workspace / "data" / "prepared" / "target-labelled")
    assert answer.returncode == 0
