"""What the night's scheduler costs, on stages that wait instead of computing (bench/waiting_stage.py)."""

from __future__ import annotations

import argparse
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench.table import Row, machine, publish
from bench.waiting import make_waiting_workspace, waiting_params
from bench.workspace import run
from pipeline.overnight.scheduler import Job, Outcome, Scheduler, simulate

METHODS, SEEDS, ROUNDS = 8, 3, 7
NINE_ROUNDS = {"lse": 3, "cbst": 2, "st": 2, "cada": 2}


@contextmanager
def prefect_server(home: Path) -> Iterator[str]:
    """Run a Prefect server on loopback and yield its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    os.environ |= {"PREFECT_HOME": str(home), "DO_NOT_TRACK": "1", "PREFECT_SERVER_ANALYTICS_ENABLED": "false"}
    program = str(Path(sys.executable).parent / "prefect")
    command = [program, "server", "start", "--host", "127.0.0.1", "--port", str(port)]
    address = f"http://127.0.0.1:{port}/api"
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        try:
            while server.poll() is None:
                try:
                    with urllib.request.urlopen(f"{address}/health", timeout=5):
                        break
                except OSError:
                    time.sleep(0.5)
            yield address
        finally:
            server.terminate()


def task_seconds(address: str) -> list[float]:
    """Return how long each completed task was Running, slot and DVC included."""
    request = urllib.request.Request(
        f"{address}/task_runs/filter", b'{"limit": 200}', {"content-type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        tasks: list[dict[str, Any]] = json.load(answer)
    return [task["total_run_time"] for task in tasks if task["state_name"] == "Completed"]


def timed(folder: Path, *command: str) -> float:
    """Return the wall seconds of a command in a workspace."""
    before = time.perf_counter()
    run(folder, *command)
    return time.perf_counter() - before


def nights_jobs(seconds: float) -> list[Job]:
    """Return the jobs of 8 methods × 3 seeds × 7 rounds, each method with an initial model of its own."""
    jobs = []
    for seed in range(SEEDS):
        jobs.append(Job(f"prepare {seed}", seconds=seconds))
        evaluations = []
        for method in range(METHODS):
            model = f"pretrain {method} {seed}"
            jobs.append(Job(model, (f"prepare {seed}",), True, seconds))
            evaluations.append(f"evaluate-initial {method} {seed}")
            jobs.append(Job(evaluations[-1], (model,), True, seconds))
            for number in range(ROUNDS):
                before = model
                for kind in ("dump", "selection", "patches", "adapt", "health"):
                    name = f"{kind} {method}-{number} {seed}"
                    jobs.append(Job(name, (before,), kind in ("dump", "adapt", "health"), seconds))
                    before = name
                model = before
                evaluations.append(f"evaluate {method}-{number} {seed}")
                jobs.append(Job(evaluations[-1], (model,), True, seconds))
        jobs.append(Job(f"report {seed}", tuple(evaluations), False, seconds, True))
    return jobs


def simulated_night(seconds: float, slots: int, light: int) -> tuple[int, float, float]:
    """Return the number of stages, and the seconds of the real loop with sleeping stages and of an ideal schedule."""
    from pipeline.overnight.flow import drive

    jobs = nights_jobs(seconds)
    ideal = max(end for _, end in simulate(Scheduler(jobs, slots=slots, light=light)).values())
    scheduler = Scheduler(jobs, slots=slots, light=light)
    before = time.perf_counter()
    with ThreadPoolExecutor(slots + light) as pool:

        def submit(job: Job, ended: Any) -> None:
            pool.submit(time.sleep, job.seconds).add_done_callback(lambda _: ended())

        drive(scheduler, submit, lambda name: Outcome.ran, lambda name, outcome: None)
    return len(jobs), time.perf_counter() - before, ideal


def main() -> None:
    """Measure and publish."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=10.0, help="how long a stage of the nine rounds waits")
    parser.add_argument("--shared", action="store_true", help="other programs are running: say so in the note")
    options = parser.parse_args()
    os.environ["WAITING_SECONDS"] = str(options.seconds)
    stages, wall, ideal = simulated_night(2.0, slots=24, light=8)
    with tempfile.TemporaryDirectory() as name:
        serial, parallel = Path(name) / "serial", Path(name) / "parallel"
        for folder in (serial, parallel):
            make_waiting_workspace(folder, waiting_params(NINE_ROUNDS))
        with prefect_server(Path(name) / "prefect") as address:
            os.environ["PREFECT_API_URL"] = address
            program = str(Path(sys.executable).parent / "roundabout")
            two_workers = timed(parallel, program, "overnight", "--slots", "2")
            overhead = [seconds - options.seconds for seconds in task_seconds(address)]
            no_op = statistics.median(timed(parallel, program, "overnight") for _ in range(3))
            one_worker = timed(serial, "dvc", "repro")
    share = (wall - ideal) / wall
    median = statistics.median(overhead)
    rows = [
        Row("overhead of a stage, median", median, "s", "≤ 3", median <= 3),
        Row("no-op roundabout overnight", no_op, "s", "≤ 15", no_op <= 15),
        Row("nine rounds of four methods, dvc repro", one_worker, "s", None, None),
        Row("the same, roundabout overnight on 2 slots", two_workers, "s", None, None),
        Row("how many times faster", one_worker / two_workers, "×", "≥ 1.5", one_worker / two_workers >= 1.5),
        Row(f"share of the scheduler, {stages} sleeping stages", 100 * share, "%", "< 5", share < 0.05),
    ]
    shared = "; the machine was shared with other work: take times as upper bounds" if options.shared else ""
    publish("overnight", rows, f"{machine()}; stages wait {options.seconds:g} s, the simulated ones 2 s{shared}")


if __name__ == "__main__":
    main()
