"""Driver of a stage on Slurm: find its job or submit one, print its log, take its result.

The driver is the launcher's process, under DVC. It may be killed at any moment: the job goes on, and the next driver
finds it by its name, which contains a hash of the stage's inputs.
"""

from __future__ import annotations

import os
import shlex
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

from pipeline.common.work import held
from pipeline.dvc_view.stage_inputs import StageInputs, stage_inputs
from pipeline.launcher import slurm
from pipeline.launcher.command import container_of, shell_lines, stage_command, variables
from pipeline.launcher.job_folder import JOBS, JobFolder, job_folder
from pipeline.launcher.job_log import JobLog
from pipeline.launcher.site import Resources
from pipeline.launcher.slurm import PassingError, SlurmError, Task, UnclearError, UnreachableError

Answer = TypeVar("Answer")

# Seconds between two looks at the result, and between two questions to Slurm, at first and at last.
_LOOK, _ASK_FIRST, _ASK_LAST = 0.2, 1.0, 15.0
# Seconds after an sbatch that did not answer, until its job is in the queue, if it was accepted.
_ACCEPTED = 20.0
# For so long a question is asked again that Slurm answers with an unknown error.
_UNCLEAR = 3600.0
# On a shared file system, a file that the job has written may appear here so much later.
_PATIENCE = 60.0

# States that nobody decided: the stage is submitted again and goes on from what it has saved.
_AGAIN = frozenset(("BOOT_FAIL", "NODE_FAIL", "PREEMPTED", "REVOKED", "TIMEOUT"))
# The stage has printed why, or the cause is unknown: a node's GPU, say, or its file system.
_PASSING = frozenset(("COMPLETED", "FAILED"))
_WHY = {
    "CANCELLED": "was cancelled (scancel)",
    "OUT_OF_MEMORY": "ran out of the node's memory; raise memory in site.yaml",
    "DEADLINE": "could not end before its deadline",
}


def run_on_slurm(stage: str, arguments: list[str], resources: Resources) -> None:
    """Return when the stage's outputs are in the workspace.

    A running job is followed, an existing result is taken. A result that DVC has recorded, and asks for all the same
    (``dvc repro -f``), is computed anew.

    Raises:
        SlurmError: with the reason, where there will be no outputs.
    """
    inputs = stage_inputs()
    folder = job_folder(inputs)
    with _stage_held(inputs, folder) as descriptor:
        if not folder.is_finished():
            _name_others(folder)
            _make(_Driver(stage, arguments, resources, inputs, folder, descriptor))
        _same_inputs(inputs, folder)
        folder.publish()
        # DVC has the result: a Slurm that does not answer, or a folder that cannot be deleted, is not an error now.
        with suppress(SlurmError, OSError):
            _tidy(folder)


def take_a_jobs_result() -> bool:
    """Put the result that a finished job has left for this stage into the workspace; return whether there was one.

    Raises:
        SlurmError: if an earlier Slurm job for the same inputs is still queued.
    """
    inputs = stage_inputs()
    folder = job_folder(inputs)
    with _stage_held(inputs, folder):
        if folder.is_finished():
            _same_inputs(inputs, folder)
            folder.publish()
            return True
        running: list[str] = []
        with suppress(SlurmError):  # no Slurm here, or no answer: the stage runs here
            running = slurm.jobs_called(folder.name)
        if running:
            raise SlurmError(
                f"{inputs.address}: site.yaml says local, and job {running[0]} is at work on it; "
                f"`scancel {running[0]}` ends it, and keeps what it has saved"
            )
    return False


@contextmanager
def _stage_held(inputs: StageInputs, folder: JobFolder) -> Iterator[int]:
    """Lock the stage, whatever its inputs, so that two drivers never publish at once.

    A result that DVC has recorded, and asks for all the same, is deleted, to be computed anew.
    """
    delivered = folder.is_published() and inputs.recorded
    JOBS.mkdir(parents=True, exist_ok=True)
    with held(JOBS / f"{folder.name.rpartition('-')[0]}.lock", inputs.address) as descriptor:
        if delivered and folder.path.exists():
            folder.forget()
        yield descriptor


def _same_inputs(inputs: StageInputs, folder: JobFolder) -> None:
    """Raise SlurmError if the inputs have changed: DVC would record the result for the inputs as they are now."""
    if _have_changed(inputs):
        raise SlurmError(
            f"{inputs.address}: code, params or data changed while its job ran; its result is kept in {folder.path} "
            "and is used if you change them back; run `dvc repro` again"
        )


def _have_changed(inputs: StageInputs) -> bool:
    """Whether the stage's inputs have changed."""
    try:
        return stage_inputs().key != inputs.key
    except Exception as error:  # half-edited files, which DVC cannot read: it would not record them either
        print(f"{inputs.address}: {error}", file=sys.stderr)
        return True


def _make(driver: _Driver) -> None:
    for attempt in range(driver.resources.restarts + 1):
        number = driver.running_job()
        if number is None:
            number = driver.submit(again=attempt > 0)
        try:
            if driver.follow(number):
                return
        except KeyboardInterrupt:
            driver.say(f"stopped looking; job {number} goes on, and `dvc repro` finds it; `scancel {number}` ends it")
            raise SystemExit(130) from None
    raise SlurmError(
        f"{driver.inputs.address}: was submitted {driver.resources.restarts + 1} times and did not finish; give it "
        "more time, or raise restarts in site.yaml"
    )


class _Driver:
    """Driver of one stage."""

    def __init__(
        self,
        stage: str,
        arguments: list[str],
        resources: Resources,
        inputs: StageInputs,
        folder: JobFolder,
        lock: int,
    ) -> None:
        self.stage, self.arguments, self.resources, self.inputs = stage, arguments, resources, inputs
        self._folder, self._lock = folder, lock
        self._log = JobLog(folder.path)

    def say(self, line: str) -> None:
        """Print a line of the driver's own, beside those of the job."""
        print(f"{self.inputs.address}: {line}", file=sys.stderr, flush=True)

    def running_job(self) -> str | None:
        """Return the number of the job that an earlier driver has submitted, if it is not over."""
        numbers: list[str] = self._patiently(lambda: slurm.jobs_called(self._folder.name))
        if not numbers:
            return None
        self.say(f"job {numbers[0]} is at work on it already; following it ({self._folder.path}/log*.txt)")
        self._log.skip()
        return numbers[0]

    def _only_job(self) -> str | None:
        """Return the job in the queue; of several, accepted by a Slurm that answered late, keep the first."""
        number = self.running_job()
        if number is not None:
            others: list[str] = self._patiently(lambda: slurm.jobs_called(self._folder.name))
            for other in others:
                if other != number:
                    self.say(f"job {other} was submitted twice; it is ended")
                    self._patiently(lambda other=other: slurm.cancel(other))  # type: ignore[misc]
        return number

    def submit(self, *, again: bool) -> str:
        """Submit the stage once, and return the job's number; a Slurm that does not answer may have accepted the job.

        ``again``: with the copies that this driver has taken. The workspace may have been edited since; the inputs in
        the job's name have not changed.
        """
        self._log.skip()
        if not (again and (self._folder.path / "request.json").exists()):
            self._copy()
        script = self._folder.path / "job.sh"
        script.write_text(_script(self._folder, self.resources), encoding="utf-8")
        while True:
            try:
                number = slurm.submit(str(script), _options(self._folder, self.resources), self._lock)
            except UnreachableError as error:
                self.say(str(error))
                time.sleep(_ACCEPTED)  # an accepted job may appear later
                accepted = self._only_job()
                if accepted is None:
                    continue
                return accepted
            self._folder.note_submission(number)
            self.say(f"job {number} submitted {'again ' if again else ''}({self._folder.path}/log*.txt)")
            return number

    def _copy(self) -> None:
        """Copy code and params for the job, and check that they are the inputs in the job's name.

        The workspace may have been edited while this driver waited for Slurm or for another driver. The edit's result
        would be taken for that of the old inputs as soon as the edit is undone.
        """
        request = {
            "restarts": self.resources.restarts,
            "container": container_of(self.resources),
            "variables": list(variables(self.resources)),
        }
        self._folder.prepare(self.inputs, stage_command(self.stage, self.arguments, self.resources), request)
        if _have_changed(self.inputs):
            self._folder.forget()
            raise SlurmError(
                f"{self.inputs.address}: code, params or data changed before its job was submitted, and none was; run "
                "`dvc repro` again"
            )

    def follow(self, number: str) -> bool:
        """Print the job's log until its result is there (True), or until it must be submitted again (False)."""
        pause, asked, message = _ASK_FIRST, time.monotonic() - _ASK_FIRST, ""
        while not self._folder.is_finished():
            self._log.show()
            if time.monotonic() - asked >= pause:
                tasks: list[Task] = self._patiently(lambda: slurm.tasks_of(number))
                asked, pause = time.monotonic(), min(_ASK_LAST, pause * 1.2)
                message = self._print_state(number, tasks, message)
                if all(task.final for task in tasks):
                    return self._ended(number, tasks)
                self._give_up_on_failures(number, tasks)
            time.sleep(_LOOK)
        self._log.show()
        return True

    def _print_state(self, number: str, tasks: list[Task], before: str) -> str:
        """Print why a job waits, or that it runs, each time that this changes; return the message."""
        reasons = {task.reason for task in tasks if task.state in ("PENDING", "REQUEUE_HOLD", "REQUEUED")}
        waiting = sorted({"its turn" if reason in ("None", "Priority") else reason for reason in reasons})
        message = f"job {number} waits: {', '.join(waiting)}" if waiting else f"job {number} runs"
        if message != before and any(not task.final for task in tasks) and (waiting or before):
            self.say(message)
        return message

    def _give_up_on_failures(self, number: str, tasks: list[Task]) -> None:
        """Cancel an array of which one task has failed for good: the others would work for nothing."""
        lost = [task for task in tasks if task.final and task.state not in _AGAIN and task.state != "COMPLETED"]
        if lost:
            self._patiently(lambda: slurm.cancel(number))
            self._raise(number, lost)

    def _ended(self, number: str, tasks: list[Task]) -> bool:
        states = {task.state for task in tasks}
        if states <= {"COMPLETED"}:  # or forgotten by Slurm: the result decides
            patience = _PATIENCE if states else 0.0
            end = time.monotonic() + patience
            while not self._folder.is_finished() and time.monotonic() < end:
                time.sleep(_LOOK)
        self._log.show()
        if self._folder.is_finished():
            return True
        # the finished siblings of a task that Slurm lost are fine: submitted again, they find their parts
        blameless = _AGAIN | ({"COMPLETED"} if states != {"COMPLETED"} else set())
        lost = [task for task in tasks if task.state not in blameless]
        if lost:
            self._raise(number, lost)
        self.say(f"job {number} ended ({', '.join(sorted(states)) or 'Slurm has forgotten it'}) before it was done")
        return False

    def _raise(self, number: str, lost: list[Task]) -> None:
        self._log.show()
        state = lost[0].state
        kind = PassingError if state in _PASSING else SlurmError
        why = _WHY.get(state, "left no result" if state == "COMPLETED" else f"ended as {state}; see its log above")
        raise kind(
            f"{self.inputs.address}: job {number} {why} ({self._folder.path}/log*.txt). What it has saved stays: "
            "`dvc repro` submits it again, and it goes on from there"
        )

    def _patiently(self, question: Callable[[], Answer]) -> Answer:
        """Ask Slurm until it answers, for a controller that restarts loses nothing; return the answer.

        After an unknown error it may never answer: then it is asked again for an hour only.
        """
        pause, unclear = 1.0, 0.0
        while True:
            try:
                return question()
            except UnreachableError as error:
                unclear += pause if isinstance(error, UnclearError) else 0.0
                if unclear > _UNCLEAR:
                    raise
                self.say(f"{error}; asking again")
                time.sleep(pause)
                pause = min(60.0, pause * 2)


def _script(folder: JobFolder, resources: Resources) -> str:
    """Return the batch script. Its last line replaces the shell, so that Slurm's signals reach the job's program."""
    code = shlex.quote(str((folder.path / "code").resolve()))
    # exported here, for sbatch need not pass its environment on (--export)
    ours = {name: text for name, text in os.environ.items() if name.startswith("ROUNDABOUT_")}
    lines = [
        "#!/bin/bash",
        *(f"export {name}={shlex.quote(text)}" for name, text in ours.items()),
        *shell_lines(resources),
        "export PYTHONSAFEPATH=1",  # the copied code, not the workspace's
        f"export PYTHONPATH={code}${{PYTHONPATH:+:$PYTHONPATH}}",
        f"exec {shlex.join([sys.executable, '-m', 'pipeline.launcher.job', str(folder.path)])}",
    ]
    return "\n".join(lines) + "\n"


def _options(folder: JobFolder, resources: Resources) -> list[str]:
    log = str(folder.path.resolve()).replace("%", "%%") + ("/log-%a.txt" if resources.shards > 1 else "/log.txt")
    gres = ":".join(["gpu", *([resources.gpu_type] if resources.gpu_type else []), str(resources.gpus)])
    options = {
        "--partition": resources.partition,
        "--account": resources.account,
        "--gres": gres if resources.gpus else None,
        "--cpus-per-task": resources.cpus,
        "--mem": resources.memory,
        "--time": resources.time,
        "--array": f"0-{resources.shards - 1}" if resources.shards > 1 else None,
        "--job-name": folder.name,
        "--chdir": Path.cwd(),
        "--output": log,
        "--open-mode": "append",
        "--signal": f"B:USR1@{resources.grace}",
    }
    return [
        "--requeue",
        *(f"{name}={value}" for name, value in options.items() if value is not None),
        *resources.options,
    ]


def _name_others(folder: JobFolder) -> None:
    """Name the jobs for other inputs of this stage, before this one waits behind them; someone may need them."""
    with suppress(SlurmError):
        for other in folder.others():
            for number in [] if other.is_finished() else slurm.jobs_called(other.name):
                message = f"job {number} still works for other code, params or data; `scancel {number}` ends it"
                print(message, file=sys.stderr, flush=True)


def _tidy(folder: JobFolder) -> None:
    """Delete results for other inputs of this stage, and folders whose job is gone."""
    for other in folder.others():
        if other.is_finished() or not slurm.jobs_called(other.name):
            other.forget()
