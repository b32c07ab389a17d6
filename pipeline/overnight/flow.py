"""The Prefect flow of a night: one task for each DVC stage.

DVC owns what, Prefect owns when. A task runs ``dvc repro`` for its stage, or says `Cached`, which is DVC's word: it
held this stage's result for these inputs, and restored it. Prefect keeps no results of its own; its database may be
thrown away, and starting the flow again resumes.
"""

from __future__ import annotations

from pipeline.overnight import prefect_settings  # isort: skip - before Prefect, which reads it once

import queue
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from prefect import flow, get_run_logger, task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, StateDetails, TaskRun
from prefect.concurrency.sync import concurrency
from prefect.futures import PrefectFuture
from prefect.runtime import flow_run
from prefect.states import Completed, Failed
from prefect.tasks import exponential_backoff

from pipeline.dvc_view.graph import descendants
from pipeline.dvc_view.stage_inputs import recorded_key
from pipeline.overnight.artifacts import publish_results, publish_run
from pipeline.overnight.early_stopping import Ending, Rules, change_endings, gain_endings
from pipeline.overnight.gpus import share_of_gpus
from pipeline.overnight.plan import LIGHT_AT_ONCE, Night, Place, plan_night
from pipeline.overnight.repro import StageError, reproduce
from pipeline.overnight.scheduler import Board, Job, Outcome
from pipeline.overnight.server import make_slots
from pipeline.overnight.workspace_lock import AnotherNightError, only_night
from pipeline.params import read_params

RETRIES, RETRY_SECONDS = 2, 20.0


def _another_try_helps(_task: object, _run: TaskRun, state: State[Any]) -> bool:
    error = state.data
    return not isinstance(error, StageError) or error.again


@task(
    name="stage",
    task_run_name="{name}",
    cache_policy=NO_CACHE,  # Prefect's keys hash inputs; DVC knows contents
    retries=RETRIES,
    retry_delay_seconds=exponential_backoff(RETRY_SECONDS),
    retry_condition_fn=_another_try_helps,
    persist_result=False,
)
def run_stage(
    name: str, workspace: str, stage: str, home: str, changed: bool, slots: int, in_batches: bool, pull: bool
) -> State[Any]:
    """Runs one stage through DVC, in one of the GPU slots where it wants one (else 0), and answers what DVC did."""
    folder = Path(workspace)
    if not changed:
        return _cached(folder, stage, "DVC holds the result; nothing to do")
    tell = get_run_logger().info
    with _slot(slots) as seen:
        done = reproduce(
            folder, stage, Path(home), log_path(folder, stage), tell, in_batches=in_batches, pull=pull, extra=seen
        )
    if done.outcome is Outcome.cached:
        return _cached(folder, stage, f"restored by DVC in {done.seconds:.0f} s")
    smaller = f"; each batch in {done.pieces} pieces: it ran out of memory" if done.pieces > 1 else ""
    details = StateDetails(cache_key=recorded_key(folder, stage))
    return Completed(message=f"ran for {done.seconds:.0f} s{smaller}", state_details=details)


@contextmanager
def _slot(slots: int) -> Iterator[dict[str, str]]:
    """One of the server's GPU slots, and the GPUs that belong to it; nothing for a stage without (0 slots)."""
    if not slots:
        yield {}
        return
    # renewed while the stage runs; free again within a minute where this process dies
    with (
        concurrency(prefect_settings.SLOT_LIMIT, strict=True, lease_duration=prefect_settings.LEASE_SECONDS),
        share_of_gpus(slots) as seen,
    ):
        yield seen


def _cached(folder: Path, stage: str, message: str) -> State[Any]:
    """Only for a result that DVC holds: it checks contents, and the key is that of its content."""
    return Completed(name="Cached", message=message, state_details=StateDetails(cache_key=recorded_key(folder, stage)))


def log_path(workspace: Path, stage: str) -> Path:
    """Where a stage's output is kept, night after night."""
    return workspace / ".roundabout" / "logs" / f"{stage}.log"


def _run_name() -> str:
    return f"overnight of {Path(flow_run.parameters['workspace']).resolve().name}"


@flow(name="overnight", flow_run_name=_run_name, validate_parameters=True)
def overnight(
    workspace: str = ".",
    rounds: list[str] | None = None,
    methods: list[str] | None = None,
    seeds: list[int] | None = None,
    slots: int | None = None,
    stop_when_gain_below: float | None = None,
    stop_when_change_below: float | None = None,
    pull: bool = False,
) -> State[Any]:
    """Runs what has changed of the wanted rounds, methods and seeds; start it again to resume.

    ``slots``: stages that may run a network at once (the server's limit is set to it; by default it stays what it is).
    ``pull``: ask DVC's remote for results that colleagues have.
    """
    root = Path(workspace).resolve()
    rules = Rules(stop_when_gain_below, stop_when_change_below)
    try:
        with only_night(root):
            night = plan_night(
                root,
                read_params(root / "params.yaml"),
                rounds=rounds or (), methods=methods or (), seeds=seeds or (), rules=rules,
            )  # fmt: skip
            return _run(night, slots, pull)
    except AnotherNightError as error:
        return Failed(message=str(error))


def _run(night: Night, slots: int | None, pull: bool) -> State[Any]:
    limit = make_slots(slots)
    board = Board(night.jobs, slots=limit, light=LIGHT_AT_ONCE)
    run_board(night, board, limit, pull)
    with _nothing_ends("the table of results is not shown"):
        publish_results(night, board.outcomes)
    return verdict(board)


def run_board(night: Night, board: Board, slots: int, pull: bool) -> None:
    """Submits jobs as they become ready, until all have ended."""
    futures: dict[str, PrefectFuture[Any]] = {}

    def submit(job: Job, ended: Callable[[], None]) -> None:
        place = night.places[job.name]
        parameters: dict[str, Any] = {
            "name": job.name,
            "workspace": str(place.workspace),
            "stage": place.stage.name,
            "home": str(night.root),
            "changed": place.changed,
            "slots": slots if job.slot else 0,
            "in_batches": place.stage.facts.in_batches,
            "pull": pull,
        }
        needed = [futures[name] for name in job.needs if name in futures]  # so that the UI draws the graph
        allowed = [] if job.tolerant else needed
        futures[job.name] = run_stage.submit(**parameters, wait_for=allowed)
        futures[job.name].add_done_callback(lambda _: ended())

    drive(board, submit, lambda name: _outcome_of(futures[name]), partial(_after, night, board))


def drive(
    board: Board,
    submit: Callable[[Job, Callable[[], None]], None],
    outcome_of: Callable[[str], Outcome],
    after: Callable[[str, Outcome], None],
) -> None:
    """The scheduler's loop: starts what may start, waits for whatever ends first.

    ``submit`` starts a job and calls its second argument when it has ended, from any thread; ``outcome_of`` is asked
    then, and ``after`` may stop jobs of the board before more are started.
    """
    ended: queue.SimpleQueue[str] = queue.SimpleQueue()
    while not board.finished:
        for job in board.take():
            submit(job, lambda name=job.name: ended.put(name))  # type: ignore[misc]
        name = ended.get()
        outcome = outcome_of(name)
        board.end(name, outcome)
        after(name, outcome)


def _outcome_of(future: PrefectFuture[Any]) -> Outcome:
    future.wait()  # before, its state is what the server has heard so far
    state = future.state
    if not state.is_completed():
        return Outcome.failed
    return Outcome.cached if state.name == "Cached" else Outcome.ran


def _after(night: Night, board: Board, name: str, outcome: Outcome) -> None:
    """What follows from a job that has ended: chains that end early, pictures of a run that was evaluated."""
    place = night.places[name]
    if outcome is Outcome.failed:
        return
    with _nothing_ends("whether a chain has stopped paying is unknown"):
        _end_chains(night, board, place)
    if place.stage.facts.evaluates and outcome is Outcome.ran:
        with _nothing_ends(f"{name}: its curves and pictures are not shown"):
            publish_run(night, place)


@contextmanager
def _nothing_ends(otherwise: str) -> Iterator[None]:
    """What only looks at results (pictures, tables, gains) never ends a night: its error goes into the log."""
    try:
        yield
    except Exception:
        get_run_logger().exception("%s", otherwise)


def _end_chains(night: Night, board: Board, place: Place) -> None:
    for ending in _endings(night, board, place):
        stopped = board.stop(_jobs_beyond(night, place, ending))
        if stopped:
            get_run_logger().info("%s; not started: %s", ending.why, ", ".join(stopped))


def _endings(night: Night, board: Board, place: Place) -> list[Ending]:
    runs, run = place.workspace / "runs", place.stage.run or ""
    if place.stage.facts.evaluates:
        good = (Outcome.ran, Outcome.cached)
        evaluated = [
            other.stage.run or ""
            for name, other in night.places.items()
            if other.seed == place.seed and other.stage.facts.evaluates and board.outcomes.get(name) in good
        ]
        return gain_endings(runs, night.begin, evaluated, run, night.headline, night.rules)
    if place.stage.kind == "dump":
        return change_endings(runs, night.begin, run, night.rules)
    return []


def _jobs_beyond(night: Night, place: Place, ending: Ending) -> list[str]:
    later = descendants({name: [first] for name, first in night.begin.items()}, [ending.first])
    rounds = later if ending.include_first else later - {ending.first}
    return [name for name, other in night.places.items() if other.seed == place.seed and other.stage.run in rounds]


def verdict(board: Board) -> State[Any]:
    """How the night ended: completed unless something failed."""
    counts = {outcome: list(board.outcomes.values()).count(outcome) for outcome in Outcome}
    said = ", ".join(f"{count} {outcome}" for outcome, count in counts.items() if count)
    failed = [name for name, outcome in board.outcomes.items() if outcome is Outcome.failed]
    if failed:
        return Failed(message=f"{said}; failed: {', '.join(failed)}")
    return Completed(message=said)
