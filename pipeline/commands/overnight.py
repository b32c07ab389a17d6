"""``roundabout overnight``: run everything that has changed, of all methods and seeds, unattended."""

from __future__ import annotations

import time
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from pipeline.commands.console import console, failed, readable
from pipeline.commands.tables import print_table
from pipeline.common.errors import ReadableError, counted
from pipeline.dvc_view.torn_files import set_torn_files_aside
from pipeline.evaluation.over_seeds import results_table
from pipeline.evaluation.results import read_results
from pipeline.overnight.early_stopping import Rules
from pipeline.overnight.plan import LIGHT_AT_ONCE, Night, plan_night, spans_of_night
from pipeline.overnight.server_probe import require_server
from pipeline.overnight.workspace_lock import night_lock
from pipeline.params import read_params


@readable
def overnight(
    rounds: Annotated[str, typer.Option(help="rounds, with commas; default: all. What they begin with runs too")] = "",
    methods: Annotated[str, typer.Option(help="methods whose rounds run, with commas; default: all")] = "",
    seeds: Annotated[str, typer.Option(help="seeds, with commas: 1,2,3; default: the one of params.yaml")] = "",
    slots: Annotated[
        int | None, typer.Option(min=1, help="stages that run a network at once: GPUs, or jobs on the cluster")
    ] = None,
    at: Annotated[str | None, typer.Option(help="when to begin: 22:00, or 2026-11-22T22:00")] = None,
    cron: Annotated[str | None, typer.Option(help="begin again and again, as in a crontab: '0 22 * * *'")] = None,
    pool: Annotated[str | None, typer.Option(help="a Prefect work pool whose worker runs it; default: here")] = None,
    stop_when_gain_below: Annotated[
        float | None,
        typer.Option(help="end a chain of rounds after one that gains fewer points of headline"),
    ] = None,
    stop_when_change_below: Annotated[
        float | None,
        typer.Option(help="end it after one that changes fewer percent of the target's pixels"),
    ] = None,
    pull: Annotated[bool, typer.Option("--pull", help="take results from DVC's remote where it has them")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="print the plan and run nothing")] = False,
) -> None:
    """Run all stages that have changed, side by side, and resume where the last night ended."""
    if cron and at:
        raise ReadableError("--at is for one night and --cron for many; choose one")
    begin = _moment(at) if at else None
    root = Path.cwd()
    parameters: dict[str, Any] = {
        "workspace": str(root),
        "rounds": _listed(rounds),
        "methods": _listed(methods),
        "seeds": _numbers(seeds),
        "slots": slots,
        "stop_when_gain_below": stop_when_gain_below,
        "stop_when_change_below": stop_when_change_below,
        "pull": pull,
    }
    if not dry_run:
        set_torn_files_aside(root)
    night = plan_night(
        root,
        read_params(root / "params.yaml"),
        rounds=parameters["rounds"], methods=parameters["methods"], seeds=parameters["seeds"],
        rules=Rules(stop_when_gain_below, stop_when_change_below), write=False,  # the flow does, as the only night here
    )  # fmt: skip
    if dry_run:
        _print_plan(night, slots or 1)
    elif cron or pool:
        require_server()
        _hand_over(root, parameters, cron, begin, pool)
    else:
        _run_here(night, parameters, begin)


def _listed(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _numbers(text: str) -> list[int]:
    if not all(part.isdecimal() for part in _listed(text)):
        raise ReadableError(f"--seeds: {text!r} is not a list of whole numbers such as 1,2,3")
    return [int(part) for part in _listed(text)]


def _moment(text: str, now: datetime | None = None) -> datetime:
    """Return the next local time HH:MM, or a local date and time.

    Raises:
        ReadableError: for other text, and for a time that has passed.
    """
    now = now or datetime.now().astimezone()
    try:
        if "T" in text:
            moment = datetime.fromisoformat(text)
            moment = moment if moment.tzinfo else moment.astimezone()
        else:
            hour, minute = (int(part) for part in text.split(":"))
            moment = now.replace(hour=hour, minute=minute, second=0, microsecond=0)
            moment += timedelta(days=1) if moment <= now else timedelta()
    except ValueError:
        raise ReadableError(f"--at: {text!r} is not a time; write 22:00 or 2026-11-22T22:00") from None
    if moment <= now:
        raise ReadableError(f"--at: {text} has passed")
    return moment


def _print_plan(night: Night, slots: int) -> None:
    """Print what would run, when, and for how long by the times of past runs."""
    changed = set(night.changed())
    if not changed:
        console.print(_nothing(night))
        return
    spans = spans_of_night(night, slots, LIGHT_AT_ONCE)
    table = Table("stage", "slot", "begins after", "takes", title=f"{counted(len(changed), 'stage')} to run")
    for job in sorted((job for job in night.jobs if job.name in changed), key=lambda job: spans[job.name]):
        took = "unknown" if job.name in night.unknown else duration(job.seconds)
        table.add_row(job.name, "GPU" if job.slot else "", duration(spans[job.name][0]), took)
    print_table(table)
    held = len(night.jobs) - len(changed)
    console.print(f"{counted(held, 'stage')} up to date. Seeds: {', '.join(map(str, night.workspaces()))}.")
    total = duration(max(end for _, end in spans.values()))
    if night.unknown:
        message = f"it is not known how long it takes: {len(night.unknown)} of them never ran here; at least {total}"
    else:
        message = f"it takes about {total}"
    console.print(f"With {slots} GPU slot(s) {message}.")


def duration(seconds: float) -> str:
    """Return a time for people: ``45 s``, ``12 min``, ``7 h 05 min``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"


def _print_seeds(night: Night) -> None:
    """Print mean and spread of every run if there are several seeds; `roundabout results` prints one seed's table."""
    folders = night.workspaces()
    rows = results_table({seed: read_results(folder / "runs", night.kinds) for seed, folder in folders.items()})
    if len(folders) > 1 and rows:
        table = Table(*rows[0], title="Results on the target (percent; mean ± standard deviation)")
        for row in rows:
            table.add_row(*map(str, row.values()))
        print_table(table)


def _nothing(night: Night) -> str:
    return f"nothing to do: DVC has the results of all {counted(len(night.jobs), 'stage')}"


def _hand_over(root: Path, parameters: dict[str, Any], cron: str | None, at: datetime | None, pool: str | None) -> None:
    from pipeline.overnight import deployment  # imported here: Prefect takes seconds, which a dry run need not pay

    if pool is None:
        assert cron is not None
        console.print(
            f"serving {deployment.deployment_name(root)} at {cron!r} ({deployment.time_zone()}); Ctrl-C ends it"
        )
        deployment.serve(root, parameters, cron, console.print)
        return
    name = deployment.deploy(root, parameters, pool, console.print, cron=cron, at=at)
    asked = f"when asked: prefect deployment run '{name}'"
    when = f"at {cron!r} ({deployment.time_zone()})" if cron else f"at {at:%Y-%m-%d %H:%M}" if at else asked
    console.print(f"{name} runs on the pool {pool} {when}; its worker: prefect worker start --pool {pool}")


def _run_here(night: Night, parameters: dict[str, Any], at: datetime | None) -> None:
    if at is not None:
        console.print(f"begins at {at:%Y-%m-%d %H:%M}; Ctrl-C ends the waiting")
        while (left := (at - datetime.now().astimezone()).total_seconds()) > 0:
            time.sleep(min(left, 60))  # in steps: a laptop that slept wakes up in time
    elif not night.changed():
        console.print(_nothing(night))  # without Prefect, whose import takes seconds
        _print_seeds(night)
        return
    else:
        require_server()
        with night_lock(night.root):  # the flow would refuse, too, half a minute later
            pass
    from pipeline.overnight import prefect_settings
    from pipeline.overnight.flow import overnight as night_flow
    from pipeline.overnight.server import mark_crashed_flows

    if prefect_settings.server_address() is not None:
        mark_crashed_flows()
    state = night_flow(**parameters, return_state=True)
    if not state.is_completed():
        raise failed(f"{state.message or state.name}; the logs are in .roundabout/logs. Start it again to resume")
    console.print(str(state.message), highlight=False)
    _print_seeds(night)
    console.print("`roundabout results` prints the table; the report is report/index.html", highlight=False)
