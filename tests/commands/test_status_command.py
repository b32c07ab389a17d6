"""`roundabout status`: what is done, running, stale, and what would run."""

from __future__ import annotations

import fcntl
import re
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from bench.pipeline import tiny_params
from bench.workspace import make_workspace, run, write_params
from pipeline.cli import app
from pipeline.commands import status
from pipeline.commands.status import (
    Line,
    _changes_or_params_problems,
    _is_drawn,
    _total,
    stages_with_results,
    status_lines,
    verdict_lines,
)
from pipeline.common.errors import ReadableError
from pipeline.common.files import write_json
from pipeline.common.work import Work, work_folders
from pipeline.dvc_view.graph import Stage
from pipeline.dvc_view.stage_facts import StageFacts
from pipeline.health.record import Record, Reference
from pipeline.launcher import slurm
from pipeline.launcher.job_folder import JOBS, queued_jobs
from pipeline.timing.estimates import past_seconds
from pipeline.timing.log import record

NEEDS = {"prepare": (), "dump@r-1": ("prepare",), "adapt@r-1": ("dump@r-1",), "report": ("adapt@r-1",)}
GRAPH = {name: Stage(name, needs) for name, needs in NEEDS.items()}
CHANGED = {"dump@r-1": [{"changed deps": {"params.yaml": {"dump.batch": "modified"}, "pipeline/cache": "modified"}}]}


def states(
    changed: dict,
    works: list[Work],
    finished: frozenset[str] = frozenset({"dump@r-1"}),
    jobs: dict[str, str] | None = None,
) -> dict[str, tuple[str, str]]:
    lines = status_lines(changed, GRAPH, set(finished), works, {}, jobs or {})
    return {line.stage: (line.state, line.why) for line in lines}


def test_what_follows_from_a_stale_stage_would_run_too() -> None:
    found = states(CHANGED, [])
    assert found["prepare"] == ("done", "")
    assert found["dump@r-1"] == ("stale", "inputs: dump.batch, pipeline/cache")
    assert found["adapt@r-1"][0] == found["report"][0] == "follows"
    assert states(CHANGED, [], frozenset())["dump@r-1"] == ("missing", "has not run here")
    many = {"params.yaml": {"seed": "modified"}} | {f"pipeline/{name}.py": "modified" for name in "abcd"}
    assert states({"dump@r-1": [{"changed deps": many}]}, [])["dump@r-1"] == ("stale", "inputs: seed, 4 sources")
    assert states({"dump@r-1": ["changed command"]}, [])["dump@r-1"] == ("stale", "command")
    assert {state for state, _ in states({}, []).values()} == {"done"}


def test_a_result_in_dvc_s_cache_takes_no_time() -> None:
    lines = status_lines(CHANGED, GRAPH, {"dump@r-1"}, [], {}, {}, {"dump@r-1", "report"})
    found = {line.stage: line for line in lines}
    assert found["dump@r-1"].why == "inputs: dump.batch, pipeline/cache; in DVC's cache, restored in seconds"
    assert found["dump@r-1"].seconds == 2.0
    assert (found["report"].state, found["report"].seconds) == ("follows", None), "its inputs are not known yet"


def test_work_is_running_or_was_stopped(tmp_path: Path) -> None:
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "part-00000.h5").touch()
    assert states(CHANGED, [Work("dump-r-1", tmp_path, True)])["dump@r-1"] == ("running", "1 part written")
    found = states(CHANGED, [Work("dump-r-1", tmp_path, False)])["dump@r-1"]
    assert found == ("stopped", "was stopped; goes on, 1 part written")
    assert states({}, [Work("dump-r-1", tmp_path, False)])["dump@r-1"] == ("done", "")  # left by other parameters


def test_a_job_on_another_node_is_running_whoever_holds_its_folder(tmp_path: Path) -> None:
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "part-00000.h5").touch()
    jobs = {"dump@r-1": "4711", "adapt@r-1": "4712"}
    found = states(CHANGED, [Work("dump-r-1", tmp_path, False)], jobs=jobs)
    assert found["dump@r-1"] == ("running", "job 4711 is in Slurm's queue, 1 part written")
    assert found["adapt@r-1"] == ("running", "job 4712 is in Slurm's queue")
    assert states({}, [], jobs=jobs)["dump@r-1"][0] == "done"


def test_jobs_in_the_queue_are_known_by_their_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert queued_jobs() == {}
    waiting, done = "evaluate-initial~my-run-0123456789ab", "dump~r-1-0123456789ab"
    for name in (waiting, done):
        (JOBS / name).mkdir(parents=True)
    (JOBS / done / "result.json").touch()
    monkeypatch.setattr(slurm, "jobs_called", lambda name: ["12"])
    assert queued_jobs() == {"evaluate-initial@my-run": "12"}
    monkeypatch.undo()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", "/nowhere")
    assert queued_jobs() == {}, "no Slurm here"


def test_the_evaluation_of_a_start_is_seen_at_work_and_its_time_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    record("evaluate", "source-only", 7.0)
    stage = "evaluate-initial@source-only"
    works = [Work("evaluate-source-only", tmp_path, True)]
    graph = {stage: Stage(stage, (), StageFacts(program="evaluate"))}
    (line,) = status_lines({stage: ["changed command"]}, graph, set(), works, past_seconds([tmp_path]), {})
    assert (line.state, line.why, line.seconds) == ("running", "at work", 7.0)


def test_the_verdict_on_each_round_is_shown_with_its_reason_where_it_does_not_hold(tmp_path: Path) -> None:
    reference = Reference("source-only", {}, None, None, {})
    lost = Record("fails", "sky has 0.2 %", "init", {}, reference, {}, 4)
    for name, verdict in {"a": lost._replace(verdict="holds", result="trained"), "b": lost}.items():
        write_json(tmp_path / name / "health.json", verdict.as_json())
    write_json(tmp_path / "d" / "health.json", {"format": 0})
    lines = [Line(f"health@{name}", "done", "", None) for name in "abcd"]
    a, b, d = verdict_lines([Line("adapt@a", "done", "", None), *lines], tmp_path)
    assert (a, b) == ("a: holds", "b: fails: sky has 0.2 %; its result is its init's network (guard)")
    assert d.endswith("d/health.json: is not a verdict of this version; run `dvc repro -f health@d`")
    assert verdict_lines([lines[0]._replace(state="stale")], tmp_path) == ["a: holds (before it runs again)"]


def test_a_stage_has_a_result_where_one_of_its_outputs_exists(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert stages_with_results(Path("dvc.lock")) == set()
    (tmp_path / "model.pt").touch()
    lock = "stages:\n  dump@r: {outs: [{path: cache}, {path: model.pt}]}\n  gone: {outs: [{path: nothing}]}\n"
    (tmp_path / "dvc.lock").write_text(lock)
    assert stages_with_results(Path("dvc.lock")) == {"dump@r"}
    (tmp_path / "dvc.lock").write_text("{")
    with pytest.raises(ReadableError, match=r"dvc\.lock: is not YAML"):
        stages_with_results(Path("dvc.lock"))


def test_working_folders_tell_who_is_at_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert work_folders() == []
    folder = tmp_path / ".roundabout" / "work" / "adapt-my-round-0123456789ab"
    folder.mkdir(parents=True)
    assert [(work.stage, work.running) for work in work_folders()] == [("adapt-my-round", False)]
    with folder.with_suffix(".lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert [work.running for work in work_folders()] == [True]
    assert [work.running for work in work_folders()] == [False]


def call(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Result:
    monkeypatch.chdir(folder)
    return CliRunner().invoke(app, ["status"])


def test_without_dvc_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answer = call(tmp_path, monkeypatch)
    assert answer.exit_code == 1 and "you are not inside of a DVC repository" in " ".join(answer.stderr.split())


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.usefixtures("warm_stages")
def test_a_real_pipeline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    params = tiny_params()
    make_workspace(tmp_path, params)
    answer = call(tmp_path, monkeypatch)
    assert answer.exit_code == 0 and "`dvc repro` would run up to 24 of 24 stages" in answer.stdout, answer.output
    run(tmp_path, "dvc", "repro")
    text = call(tmp_path, monkeypatch).stdout
    assert "Everything is done" in text
    assert len(re.findall(r"^lse-\d: (holds|doubtful: |fails: )", text, re.MULTILINE)) == 3
    params["rounds"]["lse-2"]["portion"] = 0.9
    write_params(tmp_path, params)
    text = call(tmp_path, monkeypatch).stdout
    stale = {line.split("│")[1].strip() for line in text.splitlines() if "│ stale" in line}
    assert stale == {"selection@lse-2", "adapt@lse-2", "health@lse-2", "report"}
    ran = run(tmp_path, "dvc", "repro").stdout
    would = {line.split("│")[1].strip() for line in text.splitlines() if "│ stale" in line or "│ follows" in line}
    assert {name for name in would if f"Running stage '{name}'" in ran} | stale <= would


def test_the_time_of_stages_that_never_ran_is_not_counted_as_none() -> None:
    assert _total([None, None]) == "no past run tells how long they take"
    assert _total([60.0, None]) == "about 1 min 0 s, and 1 of which no past run tells"


def unreadable(workspace: Path) -> None:
    raise ReadableError("dvc.yaml: DVC says: Could not find 'initial_models'")


def test_where_dvc_cannot_read_the_stages_the_problems_of_params_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("params.yaml").write_text("starts: {}\n", encoding="utf-8")
    monkeypatch.setattr(status, "find_changes_again", unreadable)
    with pytest.raises(ReadableError, match="starts: is called initial_models now; rename it"):
        _changes_or_params_problems()


@pytest.mark.parametrize(
    ("data", "drawn"),
    [
        ("{source: {domain: source}, target: {domain: target}, evaluation: {domain: target}}", True),
        ("{source: {domain: source}, target: {domain: target}, evaluation: {root: data/own}}", False),
        ("{source: {domain: source}}", False),
        ("[", False),
    ],
)
def test_data_that_prepare_draws_are_not_looked_at(tmp_path: Path, data: str, drawn: bool) -> None:
    (tmp_path / "params.yaml").write_text(f"data: {data}\n")
    assert _is_drawn(tmp_path / "params.yaml") == drawn
    assert not _is_drawn(tmp_path / "none.yaml")
