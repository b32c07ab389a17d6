"""One stage through DVC: `cached` is DVC's word, and what goes wrong is told apart."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.common.files import read_json
from pipeline.dvc_view.graph import changed_stages, dvc, environment, read_graph
from pipeline.dvc_view.stage_inputs import recorded_key
from pipeline.launcher.slurm import SlurmError, UnreachableError
from pipeline.overnight import repro
from pipeline.overnight.repro import StageError, reproduce
from pipeline.overnight.scheduler import Outcome
from stages import launch

DVC_YAML = """
stages:
  double:
    cmd: python double.py
    deps: [double.py, number.txt]
    outs: [twice.txt]
  show:
    cmd: cp twice.txt shown.txt
    deps: [twice.txt]
    outs: [shown.txt]
"""


def go(folder: Path, stage: str = "double") -> repro.Reproduced:
    log = folder / ".roundabout" / "logs" / f"{stage}.log"
    return reproduce(folder, stage, folder, log, lambda line: None, in_batches=stage.startswith("adapt"))


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    (tmp_path / "dvc.yaml").write_text(DVC_YAML, encoding="utf-8")
    (tmp_path / "double.py").write_text(
        "open('twice.txt', 'w').write(str(2 * int(open('number.txt').read())))", encoding="utf-8"
    )
    (tmp_path / "number.txt").write_text("21", encoding="utf-8")
    subprocess.run([*dvc(), "init", "--no-scm", "--quiet"], cwd=tmp_path, env=environment(), check=True)
    return tmp_path


def test_cached_exactly_when_dvc_holds_the_result(workspace):
    assert set(changed_stages(workspace)) == {"double", "show"}
    assert list(read_graph(workspace)) == ["double", "show"]
    assert read_graph(workspace)["show"].needs == ("double",)
    assert recorded_key(workspace, "double") is None
    assert go(workspace).outcome is Outcome.ran
    first = recorded_key(workspace, "double")
    assert set(changed_stages(workspace)) == {"show"}
    assert go(workspace).outcome is Outcome.cached

    (workspace / "twice.txt").unlink()
    assert go(workspace).outcome is Outcome.cached, "restored from DVC's cache"
    assert (workspace / "twice.txt").read_text(encoding="utf-8") == "42"

    (workspace / "number.txt").write_text("4", encoding="utf-8")
    assert go(workspace).outcome is Outcome.ran
    assert recorded_key(workspace, "double") not in (None, first)
    (workspace / "number.txt").write_text("21", encoding="utf-8")
    assert go(workspace).outcome is Outcome.cached, "the run-cache knows these inputs"
    assert recorded_key(workspace, "double") == first

    (workspace / "twice.txt").unlink()
    shutil.rmtree(workspace / ".dvc" / "cache" / "files")
    assert go(workspace).outcome is Outcome.ran, "the inputs are known, the result is gone: no word of `cached`"


def pretend(monkeypatch: pytest.MonkeyPatch, folder: Path, program: str) -> None:
    """A DVC that does as the program says."""
    script = folder / "pretended_dvc.py"
    script.write_text("import os, sys, pathlib\n" + program, encoding="utf-8")
    monkeypatch.setattr(repro, "dvc", lambda: [sys.executable, str(script)])
    monkeypatch.setattr(repro, "BUSY_SECONDS", (0, 0))


def test_out_of_memory_runs_again_in_more_pieces_and_remembers(monkeypatch, tmp_path):
    pretend(
        monkeypatch,
        tmp_path,
        "pieces = int(os.environ.get('ROUNDABOUT_MICRO_BATCHES', '1'))\n"
        "print(\"Running stage 'adapt@lse-1':\")\n"
        "pathlib.Path('tried.txt').open('a').write(f'{pieces} ')\n"
        "if pieces < 4: sys.exit('torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB')\n",
    )
    assert go(tmp_path, "adapt@lse-1")[::2] == (Outcome.ran, 4)
    assert (tmp_path / "tried.txt").read_text(encoding="utf-8") == "1 2 4 "
    assert go(tmp_path, "adapt@lse-1").micro_batches == 4
    assert (tmp_path / "tried.txt").read_text(encoding="utf-8") == "1 2 4 4 ", "the next night begins with what fitted"
    assert read_json(tmp_path / ".roundabout" / "micro_batches" / "adapt@lse-1.json") == {"micro_batches": 4}


def test_pieces_are_for_training_only(monkeypatch, tmp_path):
    pretend(monkeypatch, tmp_path, "sys.exit('torch.OutOfMemoryError: CUDA out of memory')")
    with pytest.raises(StageError, match="OutOfMemoryError"):
        go(tmp_path, "dump@lse-1")
    assert not (tmp_path / ".roundabout" / "micro_batches").exists()


@pytest.mark.parametrize("line", ["error: params.yaml: portion is 7", "torch.OutOfMemoryError: CUDA out of memory"])
def test_a_reason_is_found_above_torchruns_own_traceback(monkeypatch, tmp_path, line):
    pretend(
        monkeypatch,
        tmp_path,
        f"print({line!r})\nfor n in range(200): print('  File torchrun', n)\n"
        "sys.exit(0 if os.environ.get('ROUNDABOUT_MICRO_BATCHES') else 1)",
    )
    if line.startswith("torch"):
        assert go(tmp_path, "adapt@lse-1").micro_batches == 2
    else:
        with pytest.raises(StageError, match="portion is 7") as caught:
            go(tmp_path, "adapt@lse-1")
        assert not caught.value.again


def test_memory_that_never_suffices_is_an_error(monkeypatch, tmp_path):
    pretend(monkeypatch, tmp_path, "sys.exit('torch.OutOfMemoryError: CUDA out of memory')")
    with pytest.raises(StageError, match=r"adapt@lse-1: `dvc repro` ended with code 1 \(log: .*\n.*OutOfMemoryError"):
        go(tmp_path, "adapt@lse-1")


def test_a_busy_dvc_is_asked_again_but_not_for_ever(monkeypatch, tmp_path):
    busy = "sys.exit(\"ERROR: '/w/runs/a' is busy, it is being blocked by:\\n  (PID 7): dvc repro\")\n"
    pretend(monkeypatch, tmp_path, f"p = pathlib.Path('n'); p.open('a').write('x')\nif p.stat().st_size < 3: {busy}")
    assert go(tmp_path).outcome is Outcome.ran
    pretend(monkeypatch, tmp_path, busy)
    with pytest.raises(StageError, match="is busy"):
        go(tmp_path)


def test_an_error_written_for_people_is_not_tried_again(monkeypatch, tmp_path):
    pretend(monkeypatch, tmp_path, "print('error: params.yaml: portion is 7'); sys.exit(1)")
    with pytest.raises(StageError, match=r"^double: params.yaml: portion is 7 \(log: ") as caught:
        go(tmp_path)
    assert not caught.value.again
    pretend(monkeypatch, tmp_path, "raise ConnectionError('the file server is away')")
    with pytest.raises(StageError, match="the file server is away") as caught:
        go(tmp_path)
    assert caught.value.again
    assert "the file server is away" in (tmp_path / ".roundabout" / "logs" / "double.log").read_text(encoding="utf-8")


def test_what_went_wrong_on_a_cluster_is_tried_again_unless_the_stage_has_explained_it(monkeypatch, tmp_path):
    passing = "print('failed: adapt@x: job 7 ended as FAILED; see its log above', file=sys.stderr); sys.exit(1)"
    pretend(monkeypatch, tmp_path, f"print('RuntimeError: CUDA error: uncorrectable ECC error')\n{passing}")
    with pytest.raises(StageError, match=r"^adapt@x: job 7 ended as FAILED; see its log above") as caught:
        go(tmp_path, "adapt@x")
    assert caught.value.again
    pretend(monkeypatch, tmp_path, f"print('error: params.yaml: portion is 7')\n{passing}")
    with pytest.raises(StageError, match=r"^adapt@x: params.yaml: portion is 7") as caught:
        go(tmp_path, "adapt@x")
    assert not caught.value.again


def test_the_launcher_tells_what_may_pass_from_errors(monkeypatch, capsys):
    monkeypatch.setattr(launch.sys, "argv", ["launch", "adapt", "--round", "x"])
    for error, said in ((SlurmError("a"), "error: a\n"), (UnreachableError("b"), "failed: b\n")):

        def fail(*_: object, error: SlurmError = error) -> None:
            raise error

        monkeypatch.setattr(launch, "launch", fail)
        with pytest.raises(SystemExit):
            launch.main()
        assert capsys.readouterr().err == said


def test_a_stage_that_nobody_listens_to_is_asked_to_stop_and_heard_out(monkeypatch, tmp_path):
    pretend(
        monkeypatch,
        tmp_path,
        "import signal, time\n"
        "def stop(number, frame):\n    print('saved', flush=True)\n    sys.exit(143)\n"
        "signal.signal(signal.SIGTERM, stop)\nprint('step 1', flush=True)\ntime.sleep(60)\n",
    )

    def tell(line: str) -> None:
        raise ConnectionError("the server has gone")

    log = tmp_path / "log"
    with pytest.raises(ConnectionError, match="the server has gone"):
        reproduce(tmp_path, "double", tmp_path, log, tell)
    assert log.read_text(encoding="utf-8") == "step 1\nsaved\n"


def test_a_stage_that_prints_much_still_counts_as_run(monkeypatch, tmp_path):
    pretend(monkeypatch, tmp_path, "print(\"Running stage 'double':\")\nfor n in range(500): print('step', n)")
    assert go(tmp_path).outcome is Outcome.ran
