"""A stage on Slurm, as its driver sees it: find its job or submit one, show what it says, take what it leaves.

The driver is the launcher's process, under DVC. It may be killed at any moment: the job goes on, and the next driver
finds it by its name, which is made of the stage's inputs.
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
from pipeline.launcher.job_log import Log
from pipeline.launcher.site import Resources
from pipeline.launcher.slurm import PassingError, SlurmError, Task, UnclearError, UnreachableError

Answer = TypeVar("Answer")

# Between two looks at the result, and between two questions to Slurm, which grow longer; in seconds.
_LOOK, _ASK_FIRST, _ASK_LAST = 0.2, 1.0, 15.0
# After an sbatch that did not answer: until its job is in the queue, if it was taken at all.
_TAKEN = 20.0
# So long is asked again what Slurm answers with an error that we do not know.
_UNCLEAR = 3600.0
# A file that the job has written may appear here later, on a shared file system.
_PATIENCE = 60.0

# What ends a job without anybody's decision: the stage is submitted again and goes on from what it has saved.
_AGAIN = frozenset(("BOOT_FAIL", "NODE_FAIL", "PREEMPTED", "REVOKED", "TIMEOUT"))
# The stage has said why, or nobody has: a node's GPU, say, or its file system.
_PASSING = frozenset(("COMPLETED", "FAILED"))
_WHY = {
    "CANCELLED": "was cancelled (scancel)",
    "OUT_OF_MEMORY": "ran out of the node's memory; raise memory in site.yaml",
    "DEADLINE": "could not end before its deadline",
}


def run_on_slurm(stage: str, arguments: list[str], resources: Resources) -> None:
    """Answers when the stage's outputs are in place. Raises SlurmError with the reason where they cannot be.

    A job that runs already is followed, a result that is there already is taken. What DVC has recorded and runs all
    the same (``dvc repro -f``) is made anew.
    """
    inputs = stage_inputs()
    folder = job_folder(inputs)
    with _stage_held(inputs, folder) as descriptor:
        if not folder.is_finished():
            _name_others(folder)
            _make(_Driver(stage, arguments, resources, inputs, folder, descriptor))
        _same_inputs(inputs, folder)
        folder.publish()
        # The result is in place: neither a Slurm that does not answer nor a folder that does not go takes it from DVC.
        with suppress(SlurmError, OSError):
            _tidy(folder)


def take_from_a_job() -> bool:
    """Whether a job has left the result of the stage that is to run here: then its outputs are in place.

    Raises SlurmError while a job for the same inputs is in the queue, of a time when site.yaml said slurm.
    """
    inputs = stage_inputs()
    folder = job_folder(inputs)
    with _stage_held(inputs, folder):
        if folder.is_finished():
            _same_inputs(inputs, folder)
            folder.publish()
            return True
        running: list[str] = []
        with suppress(SlurmError):  # a machine without Slurm, or without an answer: here it runs
            running = slurm.jobs_called(folder.name)
        if running:
            raise SlurmError(
                f"{inputs.address}: site.yaml says local, and job {running[0]} is at work on it; "
                f"`scancel {running[0]}` ends it, and what it has saved stays"
            )
    return False


@contextmanager
def _stage_held(inputs: StageInputs, folder: JobFolder) -> Iterator[int]:
    """One lock for the stage, not for its inputs: two drivers never publish at once.

    What DVC has recorded and runs all the same is forgotten, to be made anew.
    """
    delivered = folder.is_published() and inputs.recorded
    JOBS.mkdir(parents=True, exist_ok=True)
    with held(JOBS / f"{folder.name.rpartition('-')[0]}.lock", inputs.address) as descriptor:
        if delivered and folder.path.exists():
            folder.forget()
        yield descriptor


def _same_inputs(inputs: StageInputs, folder: JobFolder) -> None:
    """DVC records the inputs as they are when the result is there: a result of other ones must not reach it."""
    if _have_changed(inputs):
        raise SlurmError(
            f"{inputs.address}: code, params or data changed while its job ran; its result is kept in {folder.path} "
            "and is taken if you change them back; run `dvc repro` again"
        )


def _have_changed(inputs: StageInputs) -> bool:
    """Whether the stage's inputs are others by now."""
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
    """One stage's driver."""

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
        self._log = Log(folder.path)

    def say(self, line: str) -> None:
        """A line of the driver's own, beside those of the job."""
        print(f"{self.inputs.address}: {line}", file=sys.stderr, flush=True)

    def running_job(self) -> str | None:
        """The job that an earlier driver has submitted, if it is not over."""
        numbers: list[str] = self._patiently(lambda: slurm.jobs_called(self._folder.name))
        if not numbers:
            return None
        self.say(f"job {numbers[0]} is at work on it already; following it ({self._folder.path}/log*.txt)")
        self._log.skip()
        return numbers[0]

    def _only_job(self) -> str | None:
        """The job in the queue; of several, which a Slurm that answered late has taken, the first one stays."""
        number = self.running_job()
        if number is not None:
            others: list[str] = self._patiently(lambda: slurm.jobs_called(self._folder.name))
            for other in others:
                if other != number:
                    self.say(f"job {other} was submitted twice; it is ended")
                    self._patiently(lambda other=other: slurm.cancel(other))  # type: ignore[misc]
        return number

    def submit(self, *, again: bool) -> str:
        """Hands the stage in, once: where Slurm does not answer, it may have taken the job all the same.

        ``again``: with the copies that this driver has made. The workspace may have been edited since, the job's
        inputs, which its name is made of, have not.
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
                time.sleep(_TAKEN)  # what it has taken may appear later
                taken = self._only_job()
                if taken is None:
                    continue
                return taken
            self._folder.note_submission(number)
            self.say(f"job {number} submitted {'again ' if again else ''}({self._folder.path}/log*.txt)")
            return number

    def _copy(self) -> None:
        """Makes the job's copies, of the very inputs that the job is named after.

        An edit may have come while this driver waited, for Slurm or for another driver. Its result would be taken for
        that of the inputs of before, as soon as somebody changes them back.
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
        """Shows what the job says until its result is there (True), or until it is to be submitted again (False)."""
        pause, asked, told = _ASK_FIRST, time.monotonic() - _ASK_FIRST, ""
        while not self._folder.is_finished():
            self._log.show()
            if time.monotonic() - asked >= pause:
                tasks: list[Task] = self._patiently(lambda: slurm.tasks_of(number))
                asked, pause = time.monotonic(), min(_ASK_LAST, pause * 1.2)
                told = self._tell(number, tasks, told)
                if all(task.final for task in tasks):
                    return self._ended(number, tasks)
                self._give_up_on_failures(number, tasks)
            time.sleep(_LOOK)
        self._log.show()
        return True

    def _tell(self, number: str, tasks: list[Task], told: str) -> str:
        """Says why a job waits, and that it runs, each time that this changes."""
        reasons = {task.reason for task in tasks if task.state in ("PENDING", "REQUEUE_HOLD", "REQUEUED")}
        waiting = sorted({"its turn" if reason in ("None", "Priority") else reason for reason in reasons})
        words = f"job {number} waits: {', '.join(waiting)}" if waiting else f"job {number} runs"
        if words != told and any(not task.final for task in tasks) and (waiting or told):
            self.say(words)
        return words

    def _give_up_on_failures(self, number: str, tasks: list[Task]) -> None:
        """One task of an array that cannot be saved ends the others: no orphan works for nothing."""
        lost = [task for task in tasks if task.final and task.state not in _AGAIN and task.state != "COMPLETED"]
        if lost:
            self._patiently(lambda: slurm.cancel(number))
            self._raise(number, lost)

    def _ended(self, number: str, tasks: list[Task]) -> bool:
        states = {task.state for task in tasks}
        if states <= {"COMPLETED"}:  # or forgotten by Slurm: either way the result tells
            patience = _PATIENCE if states else 0.0
            end = time.monotonic() + patience
            while not self._folder.is_finished() and time.monotonic() < end:
                time.sleep(_LOOK)
        self._log.show()
        if self._folder.is_finished():
            return True
        # the finished siblings of a task that Slurm lost are not to blame: submitted again, they find their parts made
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
        """Asks Slurm until it answers: a controller that restarts loses nothing, and neither do we.

        An answer that means nothing to us may mean that it never will: that is asked again for an hour.
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
    """The batch script. The last line replaces the shell, so that Slurm's signals reach the job's program."""
    code = shlex.quote(str((folder.path / "code").resolve()))
    # said here, for sbatch need not hand on its environment (--export)
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
    wanted = {
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
        *(f"{name}={value}" for name, value in wanted.items() if value is not None),
        *resources.options,
    ]


def _name_others(folder: JobFolder) -> None:
    """Jobs for other inputs of this stage are named, before this one waits behind them; they may be wanted, too."""
    with suppress(SlurmError):
        for other in folder.others():
            for number in [] if other.is_finished() else slurm.jobs_called(other.name):
                said = f"job {number} still works for other code, params or data; `scancel {number}` ends it"
                print(said, file=sys.stderr, flush=True)


def _tidy(folder: JobFolder) -> None:
    """Results for other inputs of this stage are no longer wanted, nor folders whose job has gone."""
    for other in folder.others():
        if other.is_finished() or not slurm.jobs_called(other.name):
            other.forget()
