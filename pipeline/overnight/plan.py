"""What a night runs: stages of the selected rounds in every seed's workspace, their order, and how long they take."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from pipeline.common.errors import ReadableError, did_you_mean
from pipeline.common.labels import ClassSet, class_set
from pipeline.dvc_view.graph import Graph, Stage, ancestors, changed_stages, descendants, needs_of, read_graph
from pipeline.overnight.early_stopping import Rules
from pipeline.overnight.scheduler import Job, Scheduler, simulate
from pipeline.overnight.seed_workspaces import is_up_to_date, seed_folder, seed_of, seed_workspace, workspaces_of
from pipeline.timing.estimates import Past, estimate, past_seconds

if TYPE_CHECKING:
    from pipeline.params import Params

REPORT = "report"
OVERHEAD = 3.0
"""Seconds that DVC and Prefect take for a stage, at most (bench/overnight.py)."""

LIGHT_AT_ONCE = 2
"""Stages without a GPU slot that run side by side."""


class WorkspaceStage(NamedTuple):
    """A stage in a workspace."""

    workspace: Path
    seed: int
    stage: Stage
    changed: bool
    """Whether DVC has no result for it, or a stage that it needs will run."""


class Night(NamedTuple):
    """Plan of a night. ``jobs`` have needed ones first; ``stages`` has the same names."""

    root: Path
    jobs: list[Job]
    stages: dict[str, WorkspaceStage]
    begin: dict[str, str]
    """The ``init`` of each selected round."""
    headline: str
    classes: ClassSet
    kinds: dict[str, str]
    """Kind of every initial model and round, in the order of the report's rows."""
    rules: Rules
    unknown: list[str]
    """Jobs of whose program nothing has ever run: their time is not in the estimate."""

    def workspaces(self) -> dict[int, Path]:
        """Return the folder of each seed."""
        return {stage.seed: stage.workspace for stage in self.stages.values()}

    def changed(self) -> list[str]:
        """Return the jobs that will run, unless DVC restores their results."""
        return [name for name, stage in self.stages.items() if stage.changed]


def plan_night(
    root: Path,
    params: Params,
    *,
    rounds: Sequence[str] = (),
    methods: Sequence[str] = (),
    seeds: Sequence[int] = (),
    rules: Rules | None = None,
    write: bool = True,
) -> Night:
    """Read the graph, ask DVC what has changed, and plan a night.

    ``write``: create or update the workspaces of seeds. Otherwise nothing is written, for another night may be running
    there, and of a seed whose workspace is out of date, everything counts as changed.

    Raises:
        ReadableError: for names that params.yaml does not have, and where DVC cannot read dvc.yaml.
    """
    rules = rules or Rules()
    begin = selected_rounds(params, rounds, methods)
    graph = read_graph(root)
    selected = selected_stages(graph, begin, params, everything=not rounds and not methods)
    order = {name: _gated(graph, name, selected, begin, rules) for name in graph if name in selected}
    folder_of = seed_workspace if write else seed_folder
    folders = {seed: folder_of(root, seed) for seed in dict.fromkeys(seeds or (seed_of(root),))}

    def changed_in(seed: int) -> set[str]:
        return set(changed_stages(folders[seed]) if write or is_up_to_date(root, seed) else graph)

    with ThreadPoolExecutor(min(4, len(folders))) as pool:
        changed = dict(zip(folders, pool.map(changed_in, folders), strict=True))
    past = past_seconds(workspaces_of(root))
    stages, jobs = {}, []
    for seed, folder in folders.items():
        stale = descendants(needs_of(graph), changed[seed] & selected)
        names = {name: job_name(name, seed, seed_of(root)) for name in order}
        for name, needs in order.items():
            stage = WorkspaceStage(folder, seed, graph[name], name in stale)
            stages[names[name]] = stage
            seconds = (_estimate(stage.stage, past) or 0.0) if stage.changed else 0.0
            needed_jobs = tuple(names[needed] for needed in needs)
            jobs.append(Job(names[name], needed_jobs, stage.stage.facts.gpu and stage.changed, seconds, name == REPORT))
    unknown = [name for name, stage in stages.items() if stage.changed and _estimate(stage.stage, past) is None]
    return Night(
        root,
        jobs,
        stages,
        begin,
        params.evaluate.headline,
        class_set(params.classes),
        params.run_kinds(),
        rules,
        unknown,
    )


def _estimate(stage: Stage, past: Past) -> float | None:
    return estimate(stage.program, stage.run, past)


def job_name(stage: str, seed: int, main_seed: int) -> str:
    """Return a name that is unique over all seeds, and the stage's own in the main workspace."""
    return stage if seed == main_seed else f"{stage} (seed {seed})"


def selected_rounds(params: Params, rounds: Sequence[str], methods: Sequence[str]) -> dict[str, str]:
    """Return the named rounds and those that they begin with, each with its ``init``; by default all.

    Raises:
        ReadableError: for unknown names, and where no round is left.
    """
    known = {name: entry.init for name, entry in params.rounds.items()}
    kinds = sorted({entry.method for entry in params.rounds.values()})
    for name in rounds:
        _known(name, known, "--rounds", "round")
    for method in methods:
        _known(method, kinds, "--methods", "method")
    chosen = list(rounds) or list(known)
    chosen = [name for name in chosen if not methods or params.rounds[name].method in methods]
    if not chosen and (rounds or methods):
        raise ReadableError(f"none of the rounds {', '.join(rounds)} is of the methods {', '.join(methods)}")
    kept = ancestors({name: [init] for name, init in known.items()}, chosen)
    return {name: init for name, init in known.items() if name in kept}


def _known(name: str, names: Iterable[str], option: str, what: str) -> None:
    names = list(names)
    if name not in names:
        hint = did_you_mean(name, names) or f"; there are {', '.join(names) or 'none'}"
        raise ReadableError(f"{option}: params.yaml has no {what} {name!r}{hint}")


def selected_stages(graph: Graph, begin: Mapping[str, str], params: Params, *, everything: bool) -> set[str]:
    """Return the stages of the selected rounds and of what they begin with, evaluations, and the report."""
    if everything:
        return set(graph)
    runs = set(begin) | set(begin.values())
    # the initial models that rounds are compared with: source only, and the oracle
    runs |= {name for name, kind in params.run_kinds().items() if kind == "oracle"}
    targets = [name for name, stage in graph.items() if stage.run in runs]
    # the report reads what is there: its needs of other rounds are left out
    return ancestors(needs_of(graph), targets) | ({REPORT} & set(graph))


def _gated(graph: Graph, name: str, selected: set[str], begin: Mapping[str, str], rules: Rules) -> tuple[str, ...]:
    """Return what a stage waits for; a round whose chain may end also waits for the evaluations that decide that."""
    stage = graph[name]
    needs = [needed for needed in stage.needs if needed in selected]
    before = begin.get(stage.run or "")
    if stage.kind == "dump" and before is not None and rules.gain_below is not None and before in begin:
        compared = (before, begin[before])
        gates = [other.name for other in graph.values() if other.facts.evaluates and other.run in compared]
        needs += [gate for gate in gates if gate in selected and gate not in needs]
    return tuple(needs)


def spans_of_night(night: Night, slots: int, light: int) -> dict[str, tuple[float, float]]:
    """Return when each job begins and ends, in seconds from now, by playing the schedule with the estimates."""
    changed = set(night.changed())
    jobs = [job._replace(seconds=job.seconds + OVERHEAD if job.name in changed else 0.0) for job in night.jobs]
    return simulate(Scheduler(jobs, slots=slots, light=light))
