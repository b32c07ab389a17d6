"""An edit while a stage runs here keeps its old result from DVC; an edit of something else does not."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from pipeline.dvc_view.graph import dvc, environment

DVC_YAML = """
stages:
  evaluate:
    foreach: {a: 1}
    do:
      cmd: exec python -m stages.evaluate --run ${key}
      deps: [stages/evaluate.py, stages/later]
      params: ["initial_models.${key}", seed, {pipeline/params/changed_defaults.yaml: [evaluate]}]
      outs: [model.txt]
"""
PARAMS = "seed: 1\ninitial_models: {a: {x: 1}, b: {x: 1}}\n"
STAGE = """
import os
from pathlib import Path
from pipeline.common.work import publish, working_folder
from stages.run import named_stage

@named_stage("run")
def main(name):
    with working_folder("evaluate") as folder:
        (folder / "made").write_text(Path("params.yaml").read_text())
        if os.environ.get("EDIT"):
            path, old, new = os.environ["EDIT"].split("|")
            Path(path).write_text(Path(path).read_text().replace(old, new))
        publish(folder / "made", Path("model.txt"))

main()
"""
COUNTERS = "pipeline/params/changed_defaults.yaml"
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    (tmp_path / "stages").mkdir()
    for name in ("__init__", "run"):
        (tmp_path / "stages" / f"{name}.py").write_bytes((ROOT / "stages" / f"{name}.py").read_bytes())
    (tmp_path / "stages" / "evaluate.py").write_text(STAGE)
    (tmp_path / "dvc.yaml").write_text(DVC_YAML)
    (tmp_path / "params.yaml").write_text(PARAMS)
    for name, text in {"stages/later/table.py": "A = 1\n", COUNTERS: "evaluate: 0\ndump: 0\n"}.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    subprocess.run([*dvc(), "init", "--no-scm", "--quiet"], cwd=tmp_path, env=environment(), check=True)
    return tmp_path


def repro(workspace: Path, edit: str = "") -> subprocess.CompletedProcess[str]:
    surroundings = environment({"PYTHONPATH": f"{workspace}:{ROOT}", "EDIT": edit})
    return subprocess.run(
        [*dvc(), "repro"], cwd=workspace, env=surroundings, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize(
    ("edit", "named"),
    [
        ("params.yaml|{x: 1}, b|{x: 2}, b", "params.yaml: initial_models.a"),
        ("params.yaml|seed: 1|seed: [", "params.yaml"),
        ("stages/evaluate.py|main()\n|main() # edited\n", "stages/evaluate.py"),
        ("stages/later/table.py|A = 1|A = 2", "stages/later/table.py"),  # listed, and imported when it is needed
        (f"{COUNTERS}|evaluate: 0|evaluate: 1", f"{COUNTERS}: evaluate"),
    ],
)
def test_what_was_edited_while_the_stage_ran_is_not_recorded(workspace: Path, edit: str, named: str) -> None:
    answer = repro(workspace, edit)
    assert answer.returncode != 0
    assert "evaluate@a: was edited while the stage ran" in answer.stderr
    assert named in answer.stderr
    assert not (workspace / "dvc.lock").exists()
    assert not (workspace / "model.txt").exists()
    assert list((workspace / ".roundabout" / "work").glob("*/made")), "what it had made stays"


def test_a_stage_that_publishes_nothing_is_checked_when_it_ends(workspace: Path) -> None:
    text = STAGE.replace("publish(folder", "(lambda source, target: target.write_bytes(source.read_bytes()))(folder")
    (workspace / "stages" / "evaluate.py").write_text(text)
    answer = repro(workspace, "params.yaml|{x: 1}, b|{x: 2}, b")
    assert "evaluate@a: was edited while the stage ran" in answer.stderr
    assert not (workspace / "dvc.lock").exists()
    assert repro(workspace).returncode == 0


@pytest.mark.parametrize(
    "edit",
    [
        "params.yaml|b: {x: 1}|b: {x: 2}",
        f"{COUNTERS}|dump: 0|dump: 1",
        "stages/run.py|from __future__|# \nfrom __future__",
    ],
)
def test_an_edit_of_what_the_stage_does_not_read_is_none_of_its_business(workspace: Path, edit: str) -> None:
    answer = repro(workspace, edit)
    assert answer.returncode == 0, answer.stderr
    assert (workspace / "model.txt").read_text() == PARAMS
