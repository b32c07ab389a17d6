"""What a night runs: stages of the wanted rounds in every seed's workspace, in what order, and how long it may take."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from pipeline.common.errors import ReadableError, did_you_mean
from pipeline.common.labels import ClassSet, class_set
from pipeline.dvc_view.graph import Graph, Stage, ancestors, changed_stages, descendants, needs_of, read_graph
from pipeline.overnight.early_stopping import Rules
from pipeline.overnight.scheduler import Board, Job, simulate
from pipeline.overnight.seed_workspaces import is_up_to_date, seed_folder, seed_of, seed_workspace, workspaces_of
from pipeline.timing.estimates import Past, estimate, past_seconds

if TYPE_CHECKING:
    from pipeline.params import Params

REPORT = "report"
OVERHEAD = 3.0
"""Seconds that DVC and Prefect take for a stage, at most (bench/overnight.py)."""


LIGHT_AT_ONCE = 2
"""Stages without a GPU slot that run side by side."""


class Place(NamedTuple):
    """A stage in a workspace."""

    workspace: Path
    seed: int
    stage: Stage
    changed: bool
    """Whether DVC does not hold its result, or something that it needs is about to change."""


class Night(NamedTuple):
    """All that is to be done. ``jobs`` are in an order in which needed ones come first; both maps have their names."""

    root: Path
    jobs: list[Job]
    places: dict[str, Place]
    begin: dict[str, str]
    """What each wanted round begins with (``init``)."""
    headline: str
    classes: ClassSet
    kinds: dict[str, str]
    """Every start's and round's kind, in order: the report's rows."""
    rules: Rules
    unknown: list[str]
    """Jobs of whose kind nothing has ever run: their time is not in the estimate."""

    def workspaces(self) -> dict[int, Path]:
        """The folder of each seed."""
        return {place.seed: place.workspace for place in self.places.values()}

    def changed(self) -> list[str]:
        """Jobs that will run, unless DVC finds their results elsewhere."""
        return [name for name, place in self.places.items() if place.changed]


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
    """Reads the graph and asks DVC what has changed. Raises ReadableError for names that params.yaml does not have.

    ``write``: makes the workspaces of seeds, or brings them up to date. Without, nothing is written, for another night
    may be at work there; of a seed whose workspace is not that of now, everything counts as changed.
    """
    rules = rules or Rules()
    begin = wanted_rounds(params, rounds, methods)
    graph = read_graph(root)
    wanted = wanted_stages(graph, begin, params, everything=not rounds and not methods)
    order = {name: _gated(graph, name, wanted, begin, rules) for name in graph if name in wanted}
    place_of = seed_workspace if write else seed_folder
    folders = {seed: place_of(root, seed) for seed in dict.fromkeys(seeds or (seed_of(root),))}

    def changed_in(seed: int) -> set[str]:
        return set(changed_stages(folders[seed]) if write or is_up_to_date(root, seed) else graph)

    with ThreadPoolExecutor(min(4, len(folders))) as pool:
        changed = dict(zip(folders, pool.map(changed_in, folders), strict=True))
    past = past_seconds(workspaces_of(root))
    places, jobs = {}, []
    for seed, folder in folders.items():
        stale = descendants(needs_of(graph), changed[seed] & wanted)
        names = {name: job_name(name, seed, seed_of(root)) for name in order}
        for name, needs in order.items():
            place = Place(folder, seed, graph[name], name in stale)
            places[names[name]] = place
            seconds = (_estimate(place.stage, past) or 0.0) if place.changed else 0.0
            mapped = tuple(names[needed] for needed in needs)
            jobs.append(Job(names[name], mapped, place.stage.facts.gpu and place.changed, seconds, name == REPORT))
    unknown = [name for name, place in places.items() if place.changed and _estimate(place.stage, past) is None]
    return Night(
        root,
        jobs,
        places,
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
    """Unique over all seeds, and the stage's own in the main workspace."""
    return stage if seed == main_seed else f"{stage} (seed {seed})"


def wanted_rounds(params: Params, rounds: Sequence[str], methods: Sequence[str]) -> dict[str, str]:
    """The rounds asked for and those that they begin with, each with its ``init``; by default all."""
    known = {name: entry.init for name, entry in params.rounds.items()}
    kinds = sorted({entry.method for entry in params.rounds.values()})
    for name in rounds:
        _known(name, known, "--rounds", "round")
    for method in methods:
        _known(method, kinds, "--methods", "method")
    asked = list(rounds) or list(known)
    asked = [name for name in asked if not methods or params.rounds[name].method in methods]
    if not asked and (rounds or methods):
        raise ReadableError(f"none of the rounds {', '.join(rounds)} is of the methods {', '.join(methods)}")
    found: set[str] = set()
    for name in asked:
        while name in known and name not in found:
            found.add(name)
            name = known[name]
    return {name: first for name, first in known.items() if name in found}


def _known(name: str, names: Iterable[str], option: str, what: str) -> None:
    names = list(names)
    if name not in names:
        hint = did_you_mean(name, names) or f"; there are {', '.join(names) or 'none'}"
        raise ReadableError(f"{option}: params.yaml has no {what} {name!r}{hint}")


def wanted_stages(graph: Graph, begin: Mapping[str, str], params: Params, *, everything: bool) -> set[str]:
    """Stages of the wanted rounds and of what they begin with, evaluations, and the report."""
    if everything:
        return set(graph)
    runs = set(begin) | set(begin.values())
    # the starts that rounds are compared with: source only, and the oracle
    runs |= {name for name, kind in params.run_kinds().items() if kind == "oracle"}
    targets = [name for name, stage in graph.items() if stage.run in runs]
    wanted = ancestors(needs_of(graph), targets)
    return wanted | ({REPORT} & set(graph))  # it reads what is there: its needs of other rounds are left out


def _gated(graph: Graph, name: str, wanted: set[str], begin: Mapping[str, str], rules: Rules) -> tuple[str, ...]:
    """What a stage waits for; a round whose chain may end first waits until it is known that it does not."""
    stage = graph[name]
    needs = [needed for needed in stage.needs if needed in wanted]
    before = begin.get(stage.run or "")
    if stage.kind == "dump" and before is not None and rules.gain_below is not None and before in begin:
        compared = (before, begin[before])
        gates = [other.name for other in graph.values() if other.facts.evaluates and other.run in compared]
        needs += [gate for gate in gates if gate in wanted and gate not in needs]
    return tuple(needs)


def spans_of_night(night: Night, slots: int, light: int) -> dict[str, tuple[float, float]]:
    """When each job begins and ends (seconds from now), by its estimates: the schedule, played without running."""
    changed = set(night.changed())
    jobs = [job._replace(seconds=job.seconds + OVERHEAD if job.name in changed else 0.0) for job in night.jobs]
    return simulate(Board(jobs, slots=slots, light=light))
