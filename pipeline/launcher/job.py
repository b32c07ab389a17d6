"""Program of a job on the cluster: ``python -m pipeline.launcher.job FOLDER``. It runs the stage and watches it.

It receives Slurm's signals. USR1 announces the time limit: the stage is asked to save and stop, and the job puts itself
back into the queue under the same number. TERM (a preemption, a cancellation) is passed on, and Slurm decides what
happens to the job. The stage's outputs go into the job's folder, never into the workspace.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from pipeline.common.errors import ReadableError
from pipeline.common.processes import stop_with_parent
from pipeline.dvc_view.stage_inputs import signature
from pipeline.launcher.command import cannot_start, contained, read_by_a_stage
from pipeline.launcher.job_folder import JobFolder
from pipeline.launcher.slurm import SlurmError, put_back

# Read by the stage: pipeline/common/work.py, stages/run.py, pipeline/inference/dump.py.
OUTPUTS, PARAMS, SHARE = "ROUNDABOUT_OUTPUTS", "ROUNDABOUT_PARAMS", "ROUNDABOUT_SHARE"


def main() -> None:
    """Run in the workspace; exit with code 0 if nothing is left to do for this job, or if it is put back."""
    signals = _Signals()  # first of all: the time limit may come near while the job still looks at its data
    folder = JobFolder(Path(sys.argv[1]))
    try:
        sys.exit(_run(folder, signals))
    except ReadableError as error:
        print(f"error: {error}", file=sys.stderr, flush=True)
        sys.exit(1)


def _run(folder: JobFolder, signals: _Signals) -> int:
    request = folder.request()
    if folder.is_finished() or folder.has_all_outputs():  # by a run that was killed before finish()
        if not folder.is_finished():
            folder.finish()
        print(f"{folder.name}: finished already", flush=True)
        return 0
    restarts = int(os.environ.get("SLURM_RESTART_COUNT", "0"))
    if restarts > request["restarts"]:
        raise ReadableError(
            f"{request['address']}: was put back into the queue {restarts} times, more than `restarts` in "
            "site.yaml; give it more time, or save more often (runtime.checkpoint_every)"
        )
    if signature(tuple(request["data"])) != request["signature"]:
        raise ReadableError(
            f"{request['address']}: its inputs ({', '.join(request['data'])}) have been rewritten since the job was "
            "submitted; run `dvc repro` again"
        )
    environment = _environment(folder)
    command = contained(request["container"], _in_a_container(folder, environment, request), request["command"])
    code, near_the_limit = signals.watch(command, environment)
    # Complete outputs are moved to their paths, the last one when all are complete: what goes wrong afterwards (the end
    # of a process group, a signal) does not touch them.
    if folder.has_all_outputs():
        if code:
            print(f"{folder.name}: its result was complete before the stage failed (code {code})", flush=True)
        folder.finish()
        return 0
    if code == 0:  # a share of the result
        return 0
    if near_the_limit:
        return _back_into_the_queue(request["address"])
    return code if code > 0 else 128 - code


def _environment(folder: JobFolder) -> dict[str, str]:
    task, tasks = os.environ.get("SLURM_ARRAY_TASK_ID"), os.environ.get("SLURM_ARRAY_TASK_COUNT")
    share = {} if task is None else {SHARE: f"{task}/{tasks}"}
    return {**os.environ, OUTPUTS: str(folder.outputs), PARAMS: str(folder.path / "params.yaml"), **share}


def _in_a_container(folder: JobFolder, environment: dict[str, str], request: dict[str, Any]) -> dict[str, str]:
    """Return the stage's variables in a container. PYTHONPATH has only the copied code, unless site.yaml sets it.

    The login shell's PYTHONPATH is for another Python. The path is relative, because a container may mount the
    workspace under another name.
    """
    return {
        "PYTHONPATH": str(folder.path / "code"),
        **read_by_a_stage(environment, request["variables"]),
    }


class _Signals:
    """Passes Slurm's signals on to the stage, from construction on; remembers them until the stage runs."""

    def __init__(self) -> None:
        self._asked: list[int] = []
        self._child: subprocess.Popen[bytes] | None = None
        for number in (signal.SIGUSR1, signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._pass_on)

    def _pass_on(self, number: int, frame: object) -> None:
        self._asked.append(number)
        if self._child is not None and self._child.poll() is None:
            self._child.terminate()

    def watch(self, command: list[str], environment: dict[str, str]) -> tuple[int, bool]:
        """Run the stage; return its exit code, and whether the time limit was near."""
        try:
            self._child = subprocess.Popen(command, env=environment, preexec_fn=stop_with_parent)
        except OSError as error:
            raise cannot_start(command, error) from None
        if self._asked:  # before there was a child
            self._child.terminate()
        return self._child.wait(), signal.SIGUSR1 in self._asked and signal.SIGTERM not in self._asked


def _back_into_the_queue(address: str) -> int:
    task = os.environ.get("SLURM_ARRAY_TASK_ID")
    number = os.environ["SLURM_JOB_ID"] if task is None else f"{os.environ['SLURM_ARRAY_JOB_ID']}_{task}"
    print(f"{address}: the time limit is near; saved, and put back into the queue", flush=True)
    try:
        put_back(number)
    except SlurmError as error:
        print(f"{address}: cannot be put back into the queue ({error})", file=sys.stderr, flush=True)
        return 128 + signal.SIGUSR1
    return 0


if __name__ == "__main__":
    main()
