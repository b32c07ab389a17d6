"""The Prefect flow against servers: what its states say, nights that begin by themselves, nights that are killed."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import urllib.request
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import psutil
import pytest

from bench.waiting import make_waiting_workspace, waiting_params
from tests.programs import environment, program, wait_until

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(1500)]

Started = Callable[..., subprocess.Popen]
STAGES = 10


def ask(server: dict[str, str], path: str, **body: Any) -> Any:
    """Asks once more where nothing came back: the server's SQLite lets its writers wait for a minute at times."""
    request = urllib.request.Request(
        f"{server['PREFECT_API_URL']}/{path}", json.dumps(body).encode(), {"content-type": "application/json"}
    )
    for patience in (80, 160):
        with suppress(TimeoutError), urllib.request.urlopen(request, timeout=patience) as answer:
            return json.load(answer)
    raise TimeoutError(f"the server did not answer {path}")


def task_states(server: dict[str, str], run_id: str) -> dict[str, str]:
    found = ask(server, "task_runs/filter", flow_runs={"id": {"any_": [run_id]}})
    return {task["name"]: task["state_name"] for task in found}


def flow_runs(server: dict[str, str]) -> list[dict[str, Any]]:
    return ask(server, "flow_runs/filter", sort="START_TIME_ASC")


def ran(log: Path) -> Counter:
    return Counter(log.read_text(encoding="utf-8").splitlines()) if log.exists() else Counter()


def overnight(folder: Path, server: dict[str, str], *options: str, **extra: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [program("roundabout"), "overnight", *options], cwd=folder, env=environment(folder, **server, **extra),
        capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_states_tell_the_truth_and_no_seed_trains_twice(waiting: Path, server: dict[str, str]) -> None:
    log = waiting.parent / "ran.txt"
    extra = {"WAITING_LOG": str(log)}
    first = overnight(waiting, server, "--slots", "2", WAITING_FAILS="lse-1", **extra)
    assert first.returncode == 1
    assert "failed: dump@lse-1" in first.stderr
    states = task_states(server, flow_runs(server)[-1]["id"])
    assert states["dump@lse-1"] == "Failed"
    assert states["evaluate-initial@source-only"] == states["report"] == "Completed", "the rest goes on"
    assert "adapt@lse-1" not in states
    assert ran(log)["dump lse-1 1"] == 1, "an error written for people is not tried again"

    second = overnight(waiting, server, WAITING_NEEDS_PIECES="2", **extra)
    assert second.returncode == 0, second.stderr
    states = task_states(server, flow_runs(server)[-1]["id"])
    assert {name for name, state in states.items() if state == "Cached"} == {
        "prepare", "pretrain@source-only", "evaluate-initial@source-only",
    }  # fmt: skip
    assert ran(log)["adapt lse-1 1"] == 2, "out of memory, then in two pieces"

    third = overnight(waiting, server, **extra)
    assert third.stdout.strip() == f"nothing to do: DVC has the results of all {STAGES} stages"
    before = ran(log)
    shutil.rmtree(waiting / "runs" / "lse-1" / "cache")
    fourth = overnight(waiting, server, "--seeds", "1,2", **extra)
    assert fourth.returncode == 0, fourth.stderr
    states = task_states(server, flow_runs(server)[-1]["id"])
    assert {states[name] for name in states if "seed 2" not in name} == {"Cached"}, "restored, not run"
    assert (waiting / "runs" / "lse-1" / "cache" / "what.txt").exists()
    assert {states[name] for name in states if "seed 2" in name} == {"Completed"}
    assert len(states) == 2 * STAGES
    assert ran(log) - before == Counter({line[:-1] + "2": 1 for line in before}), "each stage of seed 2 once"
    assert "42.3 ± 0.1" in fourth.stdout
    tables = [artifact for artifact in ask(server, "artifacts/filter") if artifact["key"] == "results"]
    rows = json.loads(max(tables, key=lambda artifact: artifact["created"])["data"])
    assert {row["run"]: row["mIoU"] for row in rows} == {"source-only": "40.3 ± 0.1", "lse-1": "42.3 ± 0.1"}


def test_a_night_begins_by_itself_on_a_work_pool(waiting: Path, server: dict[str, str], started: Started) -> None:
    log = waiting.parent / "ran.txt"
    at = datetime.now() + timedelta(seconds=60)
    answer = overnight(waiting, server, "--pool", "night", "--at", at.isoformat(timespec="seconds"), "--slots", "2")
    assert answer.returncode == 0, answer.stderr
    assert "prefect worker start --pool night" in answer.stdout
    (run,) = flow_runs(server)
    assert run["state_type"] == "SCHEDULED"
    worker = started(
        [program("prefect"), "worker", "start", "--pool", "night"], waiting, waiting.parent / "worker.log",
        WAITING_LOG=str(log), **server,
    )  # fmt: skip
    wait_until(
        lambda: flow_runs(server)[0]["state_type"] in ("COMPLETED", "FAILED"), 600, "the night has ended", worker
    )
    assert flow_runs(server)[0]["state_name"] == "Completed"
    assert len(ran(log)) == STAGES
    assert set(task_states(server, run["id"]).values()) == {"Completed"}


def test_a_single_night_leaves_the_nightly_ones_alone(waiting: Path, server: dict[str, str]) -> None:
    def nights() -> dict[str, tuple[list[str], list[str]]]:
        return {
            found["name"].partition("-")[2]: (
                [entry["schedule"]["cron"] for entry in found["schedules"]], found["parameters"]["rounds"],
            )
            for found in ask(server, "deployments/filter")
        }  # fmt: skip

    assert overnight(waiting, server, "--pool", "night", "--cron", "0 22 * * *").returncode == 0
    (name,) = nights()
    at = (datetime.now() + timedelta(hours=1)).isoformat(timespec="seconds")
    answer = overnight(waiting, server, "--pool", "night", "--at", at, "--rounds", "lse-1")
    assert answer.returncode == 0, answer.stderr
    assert nights() == {name: (["0 22 * * *"], []), f"{name}-once": ([], ["lse-1"])}
    answer = overnight(waiting, server, "--pool", "night", "--cron", "0 23 * * *")
    assert "the nights of before, at '0 22 * * *', are replaced" in answer.stdout
    assert nights()[name] == (["0 23 * * *"], [])


def test_a_served_night_begins_by_itself(waiting: Path, server: dict[str, str], started: Started) -> None:
    serving = started(
        [program("roundabout"), "overnight", "--cron", "* * * * *"], waiting, waiting.parent / "serve.log", **server
    )
    done = ("COMPLETED", "FAILED", "CRASHED")
    wait_until(lambda: any(run["state_type"] in done for run in flow_runs(server)), 600, "a night has ended", serving)
    ended = [run["state_name"] for run in flow_runs(server) if run["state_type"] in done]
    assert ended[0] == "Completed"


def test_a_killed_night_is_marked_gives_its_slot_back_and_is_resumed(
    waiting: Path, server: dict[str, str], started: Started
) -> None:
    log = waiting.parent / "ran.txt"
    process = started(
        [program("roundabout"), "overnight", "--slots", "1"], waiting, waiting.parent / "killed.log",
        WAITING_LOG=str(log), WAITING_SECONDS="300", **server,
    )  # fmt: skip
    # `prepare` waits as all stages do: let it end, so that there is something to resume
    wait_until(lambda: ran(log)["prepare prepare 1"], 180, "the first stage runs", process)
    children = psutil.Process(process.pid).children(recursive=True)
    assert any("stages.waiting" in " ".join(child.cmdline()) for child in children)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    wait_until(lambda: not any(child.is_running() and child.status() != "zombie" for child in children), 30, "all died")

    process = started(
        [program("roundabout"), "overnight"], waiting, waiting.parent / "killed-2.log",
        WAITING_LOG=str(log), WAITING_SECONDS="8", **server,
    )  # fmt: skip

    def slots() -> int:
        return sum(limit["active_slots"] for limit in ask(server, "v2/concurrency_limits/filter"))

    wait_until(lambda: ran(log)["pretrain source-only 1"] and slots(), 300, "a stage has the slot", process)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    freed = wait_until(lambda: not slots(), 120, "the slot is free")
    wait_until(lambda: all(run["state_type"] == "CRASHED" for run in flow_runs(server)), 240, "both are marked crashed")
    assert freed < 90, "the lease is a minute, and the server looks now and then"

    again = overnight(waiting, server, WAITING_LOG=str(log))
    assert again.returncode == 0, again.stderr
    states = task_states(server, flow_runs(server)[-1]["id"])
    assert states["prepare"] == "Cached"
    assert states["pretrain@source-only"] == states["report"] == "Completed"
    assert ran(log)["prepare prepare 1"] == 2, "once killed, once whole"


def test_a_night_needs_no_server(tmp_path: Path) -> None:
    make_waiting_workspace(tmp_path / "night", waiting_params({"lse": 1}))
    home = {"PREFECT_HOME": str(tmp_path / "prefect"), "PREFECT_API_URL": ""}
    answer = overnight(tmp_path / "night", home, "--rounds", "lse-1")
    assert answer.returncode == 0, answer.stderr
    assert f"{STAGES} ran" in answer.stdout
    answer = overnight(tmp_path / "night", home, "--cron", "0 22 * * *")
    assert answer.returncode == 1
    assert "needs a Prefect server: run `prefect server start --host 127.0.0.1`" in answer.stderr
