"""Slurm's commands: submit, find, query, cancel and requeue a job. None of them needs accounting (sacct).

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

# A job does not leave these states; all others lead to one of them.
FINAL = frozenset(("BOOT_FAIL", "CANCELLED", "COMPLETED", "DEADLINE", "FAILED")) | frozenset(
    ("NODE_FAIL", "OUT_OF_MEMORY", "PREEMPTED", "REVOKED", "TIMEOUT")
)
# Messages of libslurm 22.05 while the controller restarts, fails over, or is too busy.
_UNREACHABLE = re.compile(
    r"unable to contact|timed out|connection refused|connection failure|communication|try(ing)? again|send/recv"
    r"|zero bytes|standby|(message|protocol) \w+ (failure|error)|temporarily (unavailable|disabled|unable)",
    re.I,
)
_UNKNOWN = re.compile(r"invalid job id", re.I)


PASSING = "failed: "
"""First word of the launcher's line about an error that a retry may cure; `error: ` begins the others."""


class SlurmError(ReadableError, RuntimeError):
    """Slurm refused; with Slurm's own message, and what to do."""


class MissingError(SlurmError):
    """This machine has no Slurm commands."""


class PassingError(SlurmError):
    """A retry may succeed: a node failed, or the queue is full."""


class UnreachableError(PassingError):
    """The controller does not answer now; asking again later is right."""


class UnclearError(UnreachableError):
    """A query failed with an unknown error; asking again is right, but not for ever."""


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
    """Run a command of Slurm and return its output. ``holding`` is the descriptor of a lock that it inherits."""
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
        message = answer.stderr.strip() or answer.stdout.strip() or f"exit code {answer.returncode}"
        kind = UnreachableError if _UNREACHABLE.search(message) else SlurmError
        raise kind(f"{command[0]}: {message}")
    return answer.stdout


def _environment() -> dict[str, str]:
    """Return the environment without the filters that people set for squeue and scancel: they would hide jobs."""
    return {name: text for name, text in os.environ.items() if not name.startswith(("SQUEUE_", "SCANCEL_"))}


def _question(*command: str) -> str:
    """Run a command that changes nothing: any error may pass, known or not."""
    try:
        return _ask(*command)
    except (MissingError, UnreachableError):
        raise
    except SlurmError as error:
        raise UnclearError(str(error)) from None


def submit(script: str, options: list[str], holding: int) -> str:
    """Submit a script and return the job's number. A refusal may pass: often it is a limit on jobs."""
    try:
        return _ask("sbatch", "--parsable", *options, script, holding=holding).strip().split(";")[0]
    except (MissingError, UnreachableError):
        raise
    except SlurmError as error:
        raise PassingError(str(error)) from None


def jobs_called(name: str) -> list[str]:
    """Return the numbers of the jobs of that name that are not over, the oldest first.

    Those of all users: several people may share the workspace and the inputs that the name stands for.
    """
    lines = _question("squeue", "--noheader", "--name", name, "--format", "%F").split()
    return sorted(set(lines), key=int)


def tasks_of(number: str) -> list[Task]:
    """Return the job, or all tasks of an array; empty once Slurm has forgotten it (MinJobAge, some minutes)."""
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
    """Cancel a job or a whole array."""
    _ask("scancel", number)


def put_back(number: str, attempts: int = 5) -> None:
    """End this run of a job and let Slurm start it again under the same number.

    A refusal is tried again ``attempts`` times. A Slurm that does not answer is asked until the time limit ends the
    job: the driver submits a job in state TIMEOUT again, but one that ends by itself has failed.
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
