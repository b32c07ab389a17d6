"""Slurm's commands: submit, find, look at, cancel, put back. Nothing here needs accounting (sacct).

A job is judged by its state, never by its exit code: TIMEOUT has the exit code 0:0.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from typing import NamedTuple

from pipeline.common.errors import ReadableError

# Of these a job does not come back; all other states are on their way to one of them.
FINAL = frozenset(("BOOT_FAIL", "CANCELLED", "COMPLETED", "DEADLINE", "FAILED")) | frozenset(
    ("NODE_FAIL", "OUT_OF_MEMORY", "PREEMPTED", "REVOKED", "TIMEOUT")
)
# As libslurm 22.05 says it, while the controller restarts, fails over, or is too busy.
_UNREACHABLE = re.compile(
    r"unable to contact|timed out|connection refused|connection failure|communication|try(ing)? again|send/recv"
    r"|zero bytes|standby|(message|protocol) \w+ (failure|error)|temporarily (unavailable|disabled|unable)",
    re.I,
)
_UNKNOWN = re.compile(r"invalid job id", re.I)


PASSING = "failed: "
"""How the launcher begins a line about an error that another try may cure; `error: ` begins those that it does not."""


class SlurmError(ReadableError, RuntimeError):
    """Slurm refused; the message is its own, and what to do."""


class MissingError(SlurmError):
    """There is no Slurm here."""


class PassingError(SlurmError):
    """What went wrong may go well another time: a node's fault, a queue that is full. Nobody has explained it."""


class UnreachableError(PassingError):
    """The controller does not answer now: it restarts, or the network does. Asking again later is right."""


class UnclearError(UnreachableError):
    """A question, which changes nothing, got an answer that is none. Asking again is right, but not for ever."""


class Task(NamedTuple):
    """A job, or one task of an array."""

    number: str
    state: str
    reason: str
    restarts: int

    @property
    def final(self) -> bool:
        """Whether it is over."""
        return self.state in FINAL


def _ask(*command: str, holding: int | None = None) -> str:
    """Runs a command of Slurm. ``holding`` is a lock's descriptor: while the command runs, nobody else has the lock."""
    try:
        answer = subprocess.run(
            command, capture_output=True, text=True, check=False, env=_environment(),
            pass_fds=() if holding is None else (holding,),
        )  # fmt: skip
    except FileNotFoundError:
        raise MissingError(
            f"site.yaml says slurm, and there is no command {command[0]!r} here; start the pipeline where Slurm's "
            "commands are (a login node), or say where: local"
        ) from None
    if answer.returncode:
        said = answer.stderr.strip() or answer.stdout.strip() or f"exit code {answer.returncode}"
        kind = UnreachableError if _UNREACHABLE.search(said) else SlurmError
        raise kind(f"{command[0]}: {said}")
    return answer.stdout


def _environment() -> dict[str, str]:
    """Without what people set for their own looks at the queue: it would hide jobs from ours."""
    return {name: text for name, text in os.environ.items() if not name.startswith(("SQUEUE_", "SCANCEL_"))}


def _question(*command: str) -> str:
    """Asks what changes nothing: whatever keeps Slurm from answering may pass, known or not."""
    try:
        return _ask(*command)
    except (MissingError, UnreachableError):
        raise
    except SlurmError as error:
        raise UnclearError(str(error)) from None


def submit(script: str, options: list[str], holding: int) -> str:
    """Hands in a script and answers the job's number. Refusals are passing ones: a limit on jobs, often."""
    try:
        return _ask("sbatch", "--parsable", *options, script, holding=holding).strip().split(";")[0]
    except (MissingError, UnreachableError):
        raise
    except SlurmError as error:
        raise PassingError(str(error)) from None


def jobs_called(name: str) -> list[str]:
    """Numbers of the jobs of that name that are not over; the oldest first.

    Of all users: the name is that of one workspace and one set of inputs, whoever of those who share it submitted it.
    """
    lines = _question("squeue", "--noheader", "--name", name, "--format", "%F").split()
    return sorted(set(lines), key=int)


def tasks_of(number: str) -> list[Task]:
    """The job, or all tasks of an array; empty where Slurm has forgotten it (MinJobAge, some minutes)."""
    try:
        text = _question("scontrol", "--oneliner", "show", "job", number)
    except UnclearError as error:
        if _UNKNOWN.search(str(error)):
            return []
        raise
    return [_task(line) for line in text.splitlines() if "JobId=" in line]


def _task(line: str) -> Task:
    fields = dict(re.findall(r"(?:^| )(JobId|JobState|Reason|Restarts)=(\S+)", line))
    return Task(fields["JobId"], fields["JobState"], fields.get("Reason", "None"), int(fields.get("Restarts", 0)))


def cancel(number: str) -> None:
    """Ends a job or a whole array."""
    _ask("scancel", number)


def put_back(number: str, attempts: int = 5) -> None:
    """Ends this run of a job and lets Slurm start it again under the same number.

    Refused, it tries again some times. While Slurm does not answer, it tries until the time limit ends the job: a job
    of which Slurm says TIMEOUT is submitted again by its driver, one that ends by itself has failed.
    """
    refused = 0
    while True:
        try:
            _ask("scontrol", "requeue", number)
            return
        except UnreachableError as error:
            print(f"{error}; asking again", file=sys.stderr, flush=True)
        except SlurmError:
            refused += 1
            if refused == attempts:
                raise
        time.sleep(5)
