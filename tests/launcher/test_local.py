"""A stage on this machine: the launcher's process becomes the stage's."""

from __future__ import annotations

import ast
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pipeline.launcher.command import contained, container_of, stage_command, variables
from pipeline.launcher.site import Resources

ROOT = Path(__file__).resolve().parents[2]
STAGE = """
import os, sys, time
print(os.getpid(), os.environ.get("COLOUR"), *sys.argv[1:], flush=True)
time.sleep(float(os.environ.get("PAUSE", "0")))
"""


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """The real launcher, and a stage that says who it is."""
    (tmp_path / "stages").mkdir()
    for name in ("__init__", "launch", "run"):
        (tmp_path / "stages" / f"{name}.py").write_bytes((ROOT / "stages" / f"{name}.py").read_bytes())
    (tmp_path / "stages" / "pretrain.py").write_text(STAGE)
    (tmp_path / "dvc.yaml").write_text((ROOT / "dvc.yaml").read_text())
    return tmp_path


def launched(folder: Path, *arguments: str, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "stages.launch", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_the_launcher_becomes_the_stage(workspace: Path) -> None:
    process = launched(workspace, "pretrain", "--initial-model", "a b")
    said, _ = process.communicate(timeout=60)
    assert said == f"{process.pid} None --initial-model a b\n"
    assert process.returncode == 0


def test_lines_of_setup_and_variables_reach_it(workspace: Path) -> None:
    (workspace / "site.yaml").write_text('defaults: {environment: {COLOUR: "a b"}, setup: [export COLOUR="$COLOUR c"]}')
    process = launched(workspace, "pretrain", "--initial-model", "x")
    assert process.communicate(timeout=60)[0] == f"{process.pid} a b c --initial-model x\n"


def test_a_line_of_setup_that_fails_ends_it(workspace: Path) -> None:
    (workspace / "site.yaml").write_text("defaults: {setup: ['false']}")
    process = launched(workspace, "pretrain", "--initial-model", "x")
    assert process.communicate(timeout=60)[0] == ""
    assert process.returncode == 1


def test_a_wrong_site_ends_it_with_words(workspace: Path) -> None:
    (workspace / "site.yaml").write_text("defaults: {gpu: 1}")
    process = launched(workspace, "pretrain", "--initial-model", "x")
    assert "error: site.yaml: 1 problem" in process.communicate(timeout=60)[1]
    assert process.returncode == 1


@pytest.mark.parametrize("key", ["python", "container"])
def test_a_program_that_is_not_there_is_told(workspace: Path, key: str) -> None:
    (workspace / "site.yaml").write_text(f"defaults: {{{key}: /no/such/program}}")
    process = launched(workspace, "pretrain", "--initial-model", "x")
    said = process.communicate(timeout=60)[1]
    assert "error: site.yaml: cannot start '/no/such/program' (No such file or directory)" in said
    assert process.returncode == 1


def test_an_unknown_stage_is_refused(workspace: Path) -> None:
    process = launched(workspace, "prepare")
    assert (
        "usage: python -m stages.launch {translate,pretrain,dump,adapt,health,evaluate}"
        in process.communicate(timeout=60)[1]
    )
    assert process.returncode == 2


def test_on_slurm_a_stage_is_started_by_dvc(workspace: Path) -> None:
    (workspace / "site.yaml").write_text("defaults: {where: slurm}")
    process = launched(workspace, "pretrain", "--initial-model", "x", DVC_STAGE="")
    assert "on a cluster, DVC must start the stage" in process.communicate(timeout=60)[1]


START = "stages.launch pretrain --initial-model x"


def test_a_stage_ends_with_the_dvc_that_was_killed(workspace: Path) -> None:
    dvc = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import subprocess, sys; subprocess.run([sys.executable, '-m', *sys.argv[1].split()])",
            START,
        ],
        cwd=workspace,
        env={**os.environ, "PYTHONPATH": str(ROOT), "DVC_STAGE": "pretrain@x", "PAUSE": "60"},
        stdout=subprocess.PIPE,
        text=True,
    )
    stage = int(dvc.stdout.readline().split()[0])
    dvc.send_signal(signal.SIGKILL)
    dvc.wait()
    end = time.monotonic() + 20
    while Path(f"/proc/{stage}").exists() and "zombie" not in Path(f"/proc/{stage}/status").read_text():
        assert time.monotonic() < end, "the stage goes on without its DVC"
        time.sleep(0.05)


def test_torchrun_gives_its_processes_their_grace() -> None:
    name = "TORCH_ELASTIC_SHUTDOWN_TIMEOUT"
    assert variables(Resources(gpus=2, grace=300))[name] == "290"
    assert variables(Resources(gpus=2, grace=10))[name] == "30", "torchrun's own"
    assert variables(Resources(gpus=2, environment={name: "5"}))[name] == "5"
    assert name not in variables(Resources())


def test_several_processes_are_torchruns() -> None:
    arguments = ["--initial-model", "x"]
    one = stage_command("adapt", arguments, Resources(gpus=1))
    assert one == [sys.executable, "-m", "stages.adapt", "--initial-model", "x"]
    two = stage_command("adapt", arguments, Resources(gpus=2))
    assert two[1:5] == ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    assert two[5:] == ["-m", "--", *one[2:]]
    assert stage_command("adapt", arguments, Resources(container="apptainer exec an.sif"))[0] == "python"


def test_a_container_is_words_before_the_command_and_its_variables() -> None:
    words = container_of(Resources(container="apptainer exec --nv 'an image.sif'"))
    assert words == ["apptainer", "exec", "--nv", "an image.sif"]
    assert contained(words, {"A": "b c"}, ["python"]) == [*words, "env", "A=b c", "python"]
    assert contained([], {"A": "b c"}, ["python"]) == ["python"]


@pytest.mark.parametrize("setup", ["", ', setup: [export COLOUR="$COLOUR c"]'])
def test_a_container_that_keeps_the_environment_out_gets_what_the_stage_reads(workspace: Path, setup: str) -> None:
    site = f"defaults: {{container: 'env -i PYTHONPATH={ROOT}', python: {sys.executable}, environment: {{COLOUR: a b}}"
    (workspace / "site.yaml").write_text(f"{site}{setup}}}")
    (workspace / "stages" / "pretrain.py").write_text("import os; print(sorted(os.environ.items()))")
    said = launched(
        workspace, "pretrain", "--initial-model", "x", ROUNDABOUT_MICRO_BATCHES="4", DVC_STAGE="pretrain@x", OTHER="1"
    )
    found = dict(ast.literal_eval(said.communicate(timeout=60)[0]))
    assert found["COLOUR"] == ("a b c" if setup else "a b")
    assert (found["ROUNDABOUT_MICRO_BATCHES"], found["DVC_STAGE"]) == ("4", "pretrain@x")
    assert "OTHER" not in found
