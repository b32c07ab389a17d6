"""The Prefect flow of a night: one task for each DVC stage.

DVC decides what runs, Prefect when. A task runs ``dvc repro`` for its stage; its state is `Cached` where DVC had the
result for these inputs, and restored it. Prefect keeps no results of its own: its database may be deleted, and starting
the flow again resumes.
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
from pipeline.dvc_view.torn_files import ASIDE, set_torn_files_aside
from pipeline.overnight.artifacts import publish_results, publish_run
from pipeline.overnight.early_stopping import Ending, Rules, change_endings, gain_endings
from pipeline.overnight.gpus import share_of_gpus
from pipeline.overnight.plan import LIGHT_AT_ONCE, Night, WorkspaceStage, plan_night
from pipeline.overnight.repro import StageError, reproduce
from pipeline.overnight.scheduler import Job, Outcome, Scheduler
from pipeline.overnight.seed_workspaces import workspaces_of
from pipeline.overnight.server import make_slots
from pipeline.overnight.workspace_lock import AnotherNightError, night_lock
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
    """Run one stage through DVC, in one of the ``slots`` GPU slots (0: it needs none); the state says what DVC did."""
    folder = Path(workspace)
    if not changed:
        return _cached(folder, stage, "DVC has the result; nothing to do")
    tell = get_run_logger().info
    with _slot(slots) as seen:
        done = reproduce(
            folder, stage, Path(home), log_path(folder, stage), tell, in_batches=in_batches, pull=pull, extra=seen
        )
    if done.outcome is Outcome.cached:
        return _cached(folder, stage, f"restored by DVC in {done.seconds:.0f} s")
    smaller = (
        f"; each batch in {done.micro_batches} micro-batches: it ran out of memory" if done.micro_batches > 1 else ""
    )
    details = StateDetails(cache_key=recorded_key(folder, stage))
    return Completed(message=f"ran for {done.seconds:.0f} s{smaller}", state_details=details)


@contextmanager
def _slot(slots: int) -> Iterator[dict[str, str]]:
    """Hold one of the server's GPU slots, and yield the environment with its GPUs; without slots, hold nothing."""
    if not slots:
        yield {}
        return
    # the lease is renewed while the stage runs, and ends within a minute if this process dies
    with (
        concurrency(prefect_settings.SLOT_LIMIT, strict=True, lease_duration=prefect_settings.LEASE_SECONDS),
        share_of_gpus(slots) as seen,
    ):
        yield seen


def _cached(folder: Path, stage: str, message: str) -> State[Any]:
    """Return the state of a stage whose result DVC has, and has checked; the key is a hash of the inputs' contents."""
    return Completed(name="Cached", message=message, state_details=StateDetails(cache_key=recorded_key(folder, stage)))


def log_path(workspace: Path, stage: str) -> Path:
    """Return the file to which a stage's output is appended, night after night."""
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
    """Run what has changed of the selected rounds, methods and seeds; start it again to resume.

    ``slots``: stages that may run a network at once (the server's limit is set to it; by default it stays what it is).
    ``pull``: restore results of colleagues from DVC's remote.
    """
    root = Path(workspace).resolve()
    rules = Rules(stop_when_gain_below, stop_when_change_below)
    try:
        with night_lock(root):
            _mend(root)
            night = plan_night(
                root,
                read_params(root / "params.yaml"),
                rounds=rounds or (), methods=methods or (), seeds=seeds or (), rules=rules,
            )  # fmt: skip
            return _run(night, slots, pull)
    except AnotherNightError as error:
        return Failed(message=str(error))


def _mend(root: Path) -> None:
    """Set files of DVC aside that a kill has cut, in every workspace: with them DVC would refuse all stages."""
    for folder in workspaces_of(root):
        for path in set_torn_files_aside(folder):
            get_run_logger().warning(
                "%s: a kill had cut it; it is in %s now, and DVC takes what it had recorded from its cache",
                folder / path, ASIDE,
            )  # fmt: skip


def _run(night: Night, slots: int | None, pull: bool) -> State[Any]:
    limit = make_slots(slots)
    scheduler = Scheduler(night.jobs, slots=limit, light=LIGHT_AT_ONCE)
    run_jobs(night, scheduler, limit, pull)
    with _errors_logged("the table of results is not shown"):
        publish_results(night, scheduler.outcomes)
    return verdict(scheduler)


def run_jobs(night: Night, scheduler: Scheduler, slots: int, pull: bool) -> None:
    """Submit jobs as they become ready, until all have ended."""
    futures: dict[str, PrefectFuture[Any]] = {}

    def submit(job: Job, ended: Callable[[], None]) -> None:
        stage = night.stages[job.name]
        parameters: dict[str, Any] = {
            "name": job.name,
            "workspace": str(stage.workspace),
            "stage": stage.stage.name,
            "home": str(night.root),
            "changed": stage.changed,
            "slots": slots if job.slot else 0,
            "in_batches": stage.stage.facts.in_batches,
            "pull": pull,
        }
        needed = [] if job.tolerant else [futures[name] for name in job.needs if name in futures]
        futures[job.name] = run_stage.submit(**parameters, wait_for=needed)  # so that the UI draws the graph
        futures[job.name].add_done_callback(lambda _: ended())

    drive(scheduler, submit, lambda name: _outcome_of(futures[name]), partial(_after, night, scheduler))


def drive(
    scheduler: Scheduler,
    submit: Callable[[Job, Callable[[], None]], None],
    outcome_of: Callable[[str], Outcome],
    after: Callable[[str, Outcome], None],
) -> None:
    """Run the scheduler's loop: start what may start, wait for the next job to end.

    ``submit`` starts a job and calls its second argument when it has ended, from any thread. Then ``outcome_of`` is
    called, and ``after``, which may stop jobs before more are started.
    """
    ended: queue.SimpleQueue[str] = queue.SimpleQueue()
    while not scheduler.finished:
        for job in scheduler.take():
            submit(job, lambda name=job.name: ended.put(name))  # type: ignore[misc]
        name = ended.get()
        outcome = outcome_of(name)
        scheduler.end(name, outcome)
        after(name, outcome)


def _outcome_of(future: PrefectFuture[Any]) -> Outcome:
    future.wait()  # until then its state may be out of date
    state = future.state
    if not state.is_completed():
        return Outcome.failed
    return Outcome.cached if state.name == "Cached" else Outcome.ran


def _after(night: Night, scheduler: Scheduler, name: str, outcome: Outcome) -> None:
    """End chains that no longer pay after a job has ended, and publish pictures of a run that was evaluated."""
    stage = night.stages[name]
    if outcome is Outcome.failed:
        return
    with _errors_logged("whether a chain has stopped paying is unknown"):
        _end_chains(night, scheduler, stage)
    if stage.stage.facts.evaluates and outcome is Outcome.ran:
        with _errors_logged(f"{name}: its curves and pictures are not shown"):
            publish_run(night, stage)


@contextmanager
def _errors_logged(otherwise: str) -> Iterator[None]:
    """Log errors of the block: code that only reads results (pictures, tables, gains) never ends a night."""
    try:
        yield
    except Exception:
        get_run_logger().exception("%s", otherwise)


def _end_chains(night: Night, scheduler: Scheduler, stage: WorkspaceStage) -> None:
    for ending in _endings(night, scheduler, stage):
        stopped = scheduler.stop(_jobs_beyond(night, stage, ending))
        if stopped:
            get_run_logger().info("%s; not started: %s", ending.why, ", ".join(stopped))


def _endings(night: Night, scheduler: Scheduler, stage: WorkspaceStage) -> list[Ending]:
    runs, run = stage.workspace / "runs", stage.stage.run or ""
    if stage.stage.facts.evaluates:
        successful = (Outcome.ran, Outcome.cached)
        evaluated = [
            other.stage.run or ""
            for name, other in night.stages.items()
            if other.seed == stage.seed and other.stage.facts.evaluates and scheduler.outcomes.get(name) in successful
        ]
        return gain_endings(runs, night.begin, evaluated, run, night.headline, night.rules)
    if stage.stage.kind == "dump":
        return change_endings(runs, night.begin, run, night.rules)
    return []


def _jobs_beyond(night: Night, stage: WorkspaceStage, ending: Ending) -> list[str]:
    later = descendants({name: [first] for name, first in night.begin.items()}, [ending.first])
    rounds = later if ending.include_first else later - {ending.first}
    return [name for name, other in night.stages.items() if other.seed == stage.seed and other.stage.run in rounds]


def verdict(scheduler: Scheduler) -> State[Any]:
    """Return how the night ended: completed unless a job failed."""
    counts = {outcome: list(scheduler.outcomes.values()).count(outcome) for outcome in Outcome}
    summary = ", ".join(f"{count} {outcome}" for outcome, count in counts.items() if count)
    failed = [name for name, outcome in scheduler.outcomes.items() if outcome is Outcome.failed]
    if failed:
        return Failed(message=f"{summary}; failed: {', '.join(failed)}")
    return Completed(message=summary)
