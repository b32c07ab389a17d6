"""Nights that begin by themselves: a deployment on a process work pool, or a process that serves the flow."""

from __future__ import annotations

from pipeline.overnight import prefect_settings  # isort: skip - before Prefect, which reads it once

import os
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from prefect import flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.deployments import run_deployment
from prefect.deployments.runner import RunnerDeployment
from prefect.exceptions import ObjectNotFound
from prefect.flows import Flow
from prefect.schedules import Cron, Schedule
from tzlocal import get_localzone_name

from pipeline.common.errors import ReadableError
from pipeline.common.files import fingerprint
from pipeline.overnight.flow import overnight
from pipeline.overnight.server import make_slots, mark_crashed_flows

_ENTRYPOINT = "pipeline/overnight/flow.py:overnight"


def serve(root: Path, parameters: dict[str, Any], cron: str, tell: Callable[[str], None]) -> None:
    """Run the flow at the times of ``cron``, each in a process of its own, until this one is stopped."""
    _prepare_server(parameters)
    _print_replaced_schedules(deployment_name(root), tell)
    overnight.serve(name=deployment_name(root), schedule=_schedule(cron), parameters=parameters, limit=1)


def deploy(
    root: Path,
    parameters: dict[str, Any],
    pool: str,
    tell: Callable[[str], None],
    *,
    cron: str | None,
    at: datetime | None,
) -> str:
    """Register the flow on a work pool (created if absent), to run at the times of ``cron`` or once ``at``.

    A worker must run on the machine that has the workspace: `prefect worker start --pool POOL`. One night at a time.
    A single night is a deployment of its own, so that the schedule and options of the regular one remain.

    Returns:
        The deployment's name.

    Raises:
        ReadableError: if there is no server, or if the pool has another type than process.
    """
    _prepare_server(parameters)
    with get_client(sync_client=True) as client:
        try:
            kind = client.read_work_pool(pool).type
        except ObjectNotFound:
            kind = client.create_work_pool(WorkPoolCreate(name=pool, type="process")).type
    if kind != "process":
        raise ReadableError(f"--pool: the work pool {pool!r} is of type {kind}; the flow needs one of type process")
    loaded = flow.from_source(source=str(_code_root()), entrypoint=_ENTRYPOINT)
    assert isinstance(loaded, Flow)
    name = deployment_name(root) if at is None else f"{deployment_name(root)}-once"
    if at is None:
        _print_replaced_schedules(name, tell)
    # not Flow.deploy, which first asks for the pool's workers in a way that the server of 3.8.8 refuses (422)
    deployment = loaded.to_deployment(
        name=name, work_pool_name=pool, schedule=None if cron is None else _schedule(cron), parameters=parameters,
        concurrency_limit=1,
        job_variables={"env": {"PYTHONPATH": str(_code_root())}},
    )  # fmt: skip
    assert isinstance(deployment, RunnerDeployment)  # a coroutine where a loop runs; here none does
    deployment.apply()
    if at is not None:
        run_deployment(f"{overnight.name}/{name}", scheduled_time=at, timeout=0, as_subflow=False)
    return f"{overnight.name}/{name}"


def _print_replaced_schedules(name: str, tell: Callable[[str], None]) -> None:
    with get_client(sync_client=True) as client:
        try:
            schedules = client.read_deployment_by_name(f"{overnight.name}/{name}").schedules
        except ObjectNotFound:
            return
    for schedule in schedules:
        tell(f"the nights of before, at {getattr(schedule.schedule, 'cron', schedule.schedule)!r}, are replaced")


def deployment_name(root: Path) -> str:
    """Return the workspace's deployment: its folder's name, and a hash of the path, which tells equal names apart."""
    return f"{root.name}-{fingerprint(workspace=str(root.resolve()))[:6]}"


def time_zone() -> str:
    """Return the machine's time zone (``Europe/Berlin``), in which crontabs are meant; Prefect's default is UTC.

    Raises:
        ReadableError: if the time zone has no name.
    """
    try:
        return ZoneInfo(os.environ.get("TZ") or get_localzone_name() or "UTC").key
    except (ValueError, ZoneInfoNotFoundError):
        raise ReadableError("--cron: the machine's time zone has no name; export TZ=Europe/Berlin, say") from None


def _schedule(cron: str) -> Schedule:
    return Cron(cron, timezone=time_zone())


def _code_root() -> Path:
    return Path(__file__).resolve().parents[2]


def _prepare_server(parameters: dict[str, Any]) -> None:
    if prefect_settings.server_address() is None:
        raise ReadableError(
            "a night that begins by itself needs a Prefect server: run `prefect server start --host 127.0.0.1`, and in "
            "this shell `export PREFECT_API_URL=http://127.0.0.1:4200/api`"
        )
    make_slots(parameters.get("slots"))
    mark_crashed_flows()
