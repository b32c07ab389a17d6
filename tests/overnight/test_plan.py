"""What a night runs, in which workspaces, and how long it may take."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bench.waiting import make_waiting_workspace, waiting_params
from bench.workspace import write_params
from pipeline.common.errors import ReadableError
from pipeline.dvc_view.graph import Graph, Stage, ancestors, descendants, in_order, needs_of, read_graph
from pipeline.dvc_view.stage_facts import StageFacts
from pipeline.overnight import plan
from pipeline.overnight.early_stopping import Rules
from pipeline.overnight.plan import plan_night, selected_rounds, selected_stages, spans_of_night
from pipeline.params import Params
from pipeline.timing.log import TIMES, record


def graph_of(rounds: dict[str, str], starts: tuple[str, ...] = ("source-only", "oracle")) -> Graph:
    """The pipeline's shape, without DVC."""
    needs: dict[str, tuple[str, ...]] = {"prepare": ()}
    for start in starts:
        needs[f"pretrain@{start}"] = ("prepare",)
        needs[f"evaluate-initial@{start}"] = (f"pretrain@{start}",)
    for name, init in rounds.items():
        model = f"health@{init}" if init in rounds else f"pretrain@{init}"
        needs[f"dump@{name}"] = ("prepare", model)
        needs[f"selection@{name}"] = (f"dump@{name}",)
        needs[f"adapt@{name}"] = (f"selection@{name}", model)
        needs[f"health@{name}"] = (f"adapt@{name}", model)
        needs[f"evaluate@{name}"] = (f"health@{name}",)
    needs["report"] = tuple(name for name in needs if name.startswith("evaluate"))
    return {name: Stage(name, needed, facts(name)) for name, needed in needs.items()}


def facts(name: str) -> StageFacts:
    kind = name.partition("@")[0]
    evaluates = kind in ("evaluate", "evaluate-initial")
    return StageFacts(
        gpu=evaluates or kind in ("pretrain", "dump", "adapt", "health"),
        evaluates=evaluates,
        program="evaluate" if evaluates else "",
    )


@pytest.fixture
def params(tiny_params: dict[str, Any]) -> Params:
    tiny_params["cada"] = {"compat": "paper", "delta": 0.0}
    tiny_params["rounds"]["cada-1"] = {"method": "cada", "init": "source-only"}
    return Params.model_validate(tiny_params)


@pytest.fixture
def pretended(monkeypatch: pytest.MonkeyPatch, params: Params, tmp_path: Path) -> Path:
    """A workspace in which everything but `prepare` has changed, without DVC."""
    graph = graph_of({name: entry.init for name, entry in params.rounds.items()})
    monkeypatch.setattr(plan, "read_graph", lambda root: graph)
    monkeypatch.setattr(plan, "changed_stages", lambda root: {"pretrain@source-only"})
    monkeypatch.setattr(plan, "seed_of", lambda root: 1)
    monkeypatch.setattr(plan, "seed_workspace", lambda root, seed: root if seed == 1 else root / str(seed))
    return tmp_path


def test_rounds_bring_what_they_begin_with(params):
    assert selected_rounds(params, ["lse-2"], []) == {"lse-1": "source-only", "lse-2": "lse-1"}
    assert selected_rounds(params, [], ["cada"]) == {"cada-1": "source-only"}
    assert list(selected_rounds(params, [], [])) == ["lse-1", "lse-2", "cada-1"]


@pytest.mark.parametrize(
    ("rounds", "methods", "said"),
    [
        (["lse-3"], [], r"--rounds: params.yaml has no round 'lse-3'; did you mean 'lse-2'\?"),
        ([], ["intrada"], r"--methods: params.yaml has no method 'intrada'; .*(did you mean|there are)"),
        (["lse-1"], ["cada"], "none of the rounds lse-1 is of the methods cada"),
    ],
)
def test_names_that_params_does_not_have_are_told(params, rounds, methods, said):
    with pytest.raises(ReadableError, match=said):
        selected_rounds(params, rounds, methods)


def test_a_choice_leaves_other_rounds_out_and_keeps_the_oracle_and_the_report(params):
    graph = graph_of({name: entry.init for name, entry in params.rounds.items()})
    wanted = selected_stages(graph, {"lse-1": "source-only"}, params, everything=False)
    runs = {graph[name].run for name in wanted}
    assert runs == {None, "lse-1", "source-only", "oracle"}
    assert {"prepare", "report", "evaluate@lse-1", "evaluate-initial@oracle"} <= wanted
    assert selected_stages(graph, {}, params, everything=True) == set(graph)


def test_ancestors_and_descendants():
    graph = graph_of({"lse-1": "source-only"}, ("source-only",))
    needs = needs_of(graph)
    assert ancestors(needs, ["selection@lse-1"]) == {"prepare", "pretrain@source-only", "dump@lse-1", "selection@lse-1"}
    assert descendants(needs, ["adapt@lse-1"]) == {"adapt@lse-1", "health@lse-1", "evaluate@lse-1", "report"}
    assert descendants(needs, []) == set()
    assert in_order({"report": ["b", "a"], "b": ["c"], "a": ["c"]}) == ["c", "a", "b", "report"]


def test_later_rounds_of_a_chain_follow_from_its_first():
    begin = {"lse-1": ["source-only"], "lse-2": ["lse-1"], "lse-3": ["lse-2"], "cbst-1": ["source-only"]}
    assert descendants(begin, ["lse-1"]) == {"lse-1", "lse-2", "lse-3"}
    assert descendants(begin, ["source-only"]) == {"source-only", *begin}
    assert descendants(begin, ["lse-3"]) == {"lse-3"}


def test_a_night_runs_what_follows_from_what_has_changed(pretended, params):
    night = plan_night(pretended, params)
    held = {name for name, place in night.stages.items() if not place.changed}
    assert held == {"prepare", "pretrain@oracle", "evaluate-initial@oracle"}
    jobs = {job.name: job for job in night.jobs}
    assert jobs["dump@lse-1"].slot
    assert not jobs["selection@lse-1"].slot, "selection runs no network"
    assert not jobs["pretrain@oracle"].slot, "DVC holds it: nothing will run"
    assert jobs["report"].tolerant


def test_seeds_have_jobs_of_their_own(pretended, params):
    night = plan_night(pretended, params, seeds=[1, 2])
    assert len(night.jobs) == 2 * len(plan_night(pretended, params).jobs)
    assert night.workspaces() == {1: pretended, 2: pretended / "2"}
    jobs = {job.name: job for job in night.jobs}
    assert jobs["dump@lse-1 (seed 2)"].needs == ("prepare (seed 2)", "pretrain@source-only (seed 2)")
    assert jobs["dump@lse-1"].needs == ("prepare", "pretrain@source-only")


def test_a_plan_may_be_made_without_writing(pretended, params, monkeypatch):
    def write(root: Path, seed: int) -> Path:
        raise AssertionError("a dry run writes nothing")

    monkeypatch.setattr(plan, "seed_workspace", write)
    monkeypatch.setattr(plan, "seed_folder", lambda root, seed: root if seed == 1 else root / str(seed))
    monkeypatch.setattr(plan, "is_up_to_date", lambda root, seed: seed == 1)
    night = plan_night(pretended, params, seeds=[1, 2], write=False)
    held = {name for name, place in night.stages.items() if not place.changed}
    assert held == {"prepare", "pretrain@oracle", "evaluate-initial@oracle"}, "of seed 2 everything counts as changed"
    assert list(pretended.iterdir()) == []


def test_a_chain_that_may_end_waits_for_its_evaluations(pretended, params):
    jobs = {job.name: job for job in plan_night(pretended, params, rules=Rules(gain_below=0.2)).jobs}
    assert {"evaluate@lse-1", "evaluate-initial@source-only"} <= set(jobs["dump@lse-2"].needs)
    assert "evaluate-initial@source-only" not in jobs["dump@lse-1"].needs, "the first round runs in any case"
    free = {job.name: job for job in plan_night(pretended, params).jobs}
    assert "evaluate@lse-1" not in free["dump@lse-2"].needs


def test_the_plan_is_the_schedule_played_without_running(pretended, params):
    for kind, seconds in {
        "pretrain": 600,
        "dump": 60,
        "selection": 7,
        "adapt": 300,
        "health": 5,
        "evaluate": 30,
    }.items():
        record(kind, "lse-1", float(seconds), folder=pretended / TIMES)
    night = plan_night(pretended, params)
    assert set(night.unknown) == {"report"}, "it never ran"
    one, two = (spans_of_night(night, slots, 2) for slots in (1, 2))
    chain = 600 + 2 * (60 + 7 + 300 + 5) + 30  # pretrain, two rounds of lse, the last evaluation
    overhead = 3 * 11  # its ten stages, and the report
    assert two["report"][1] == pytest.approx(chain + overhead, abs=1)
    assert one["report"][1] > two["report"][1] + 300, "cada's adapt has no slot of its own"
    assert one["prepare"] == (0, 0)


@pytest.mark.slow
def test_dvc_and_the_graph_by_hand_agree(tmp_path):
    params = waiting_params({"lse": 2})
    make_waiting_workspace(tmp_path, params)
    graph = read_graph(tmp_path)
    assert {name for name, stage in graph.items() if stage.facts.gpu} == {
        name
        for name in graph
        if name.split("@")[0] in ("pretrain", "dump", "adapt", "health", "evaluate", "evaluate-initial")
    }
    assert "health@lse-1" in graph["dump@lse-2"].needs
    params["rounds"] = "nonsense"
    write_params(tmp_path, params)
    with pytest.raises(ReadableError, match="DVC says"):
        read_graph(tmp_path)
