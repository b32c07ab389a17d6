"""One stage through DVC, as a process; the outcome is what DVC prints about it."""

from __future__ import annotations

import re
import subprocess
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, TextIO

from pipeline.common.errors import ReadableError
from pipeline.dvc_view.graph import BUSY, BUSY_SECONDS, dvc, environment
from pipeline.launcher.slurm import PASSING
from pipeline.overnight.out_of_memory import enough_micro_batches, micro_batch_environment, remember_micro_batches
from pipeline.overnight.scheduler import Outcome

_SKIPPED = re.compile(r"Stage '([^']+)' (?:didn't change, skipping|is cached - skipping run, checking out outputs)")
_RUNNING = re.compile(r"Running stage '([^']+)'")
_OUT_OF_MEMORY = re.compile(
    r"OutOfMemoryError|CUDA out of memory|CUDNN_STATUS_ALLOC_FAILED|CUBLAS_STATUS_ALLOC_FAILED"
    r"|can't allocate memory|^MemoryError",
    re.MULTILINE,
)
_READABLE = re.compile(r"^error: (.+)", re.MULTILINE)
_PASSING = re.compile(rf"^{PASSING}(.+)", re.MULTILINE)
_TAIL = 60  # lines in which the cause of a failure is searched, and which an error quotes


class StageError(ReadableError):
    """A stage failed; ``again``: a retry may help, as it does not for a bad parameter."""

    def __init__(self, message: str, *, again: bool) -> None:
        super().__init__(message)
        self.again = again


class Reproduced(NamedTuple):
    """Outcome of a stage."""

    outcome: Outcome
    """``ran``, or ``cached``: DVC had the result for these inputs, and it is in the workspace now."""
    seconds: float
    micro_batches: int
    """In how many micro-batches batches went through the network (out_of_memory.py)."""


def reproduce(
    workspace: Path,
    stage: str,
    home: Path,
    log: Path,
    tell: Callable[[str], None],
    *,
    in_batches: bool = False,
    pull: bool = False,
    extra: Mapping[str, str] | None = None,
) -> Reproduced:
    """Run ``dvc repro`` for one stage, which runs it or restores its result from the cache.

    A stage that trains ``in_batches`` and runs out of memory is repeated with twice as many micro-batches, which
    the workspace ``home`` remembers. While another stage has locked files of DVC, wait and ask again. All output is
    appended to the file ``log`` and passed line by line to ``tell``. ``pull``: also restore results from DVC's remote;
    ``extra``: environment variables.

    Raises:
        StageError: if the stage fails.
    """
    began = time.monotonic()
    count, busy = enough_micro_batches(home, stage), iter(BUSY_SECONDS)
    while True:
        code, output = _run(workspace, stage, log, tell, pull, {**(extra or {}), **micro_batch_environment(count)})
        if code == 0:
            return Reproduced(_outcome(stage, output), time.monotonic() - began, count)
        if in_batches and _OUT_OF_MEMORY.search(output) and (more := remember_micro_batches(home, stage, count)):
            tell(f"{stage}: out of memory; again with each batch in {more} micro-batches")
            count = more
        elif BUSY.search(output) and (seconds := next(busy, None)) is not None:
            tell(f"{stage}: DVC is busy with another stage's files; again in {seconds} s")
            time.sleep(seconds)
        else:
            raise _failure(stage, code, output, log)


def _run(
    workspace: Path, stage: str, log: Path, tell: Callable[[str], None], pull: bool, extra: Mapping[str, str]
) -> tuple[int, str]:
    command = [*_dying_with_us(), *dvc(), "repro", "--single-item", *(["--pull"] if pull else []), stage]
    last: deque[str] = deque(maxlen=_TAIL)
    decisive = []  # lines with DVC's decision, however much the stage prints afterwards
    reasons: deque[str] = deque(maxlen=_TAIL)  # lines with the cause of a failure, however long torchrun's traceback is
    log.parent.mkdir(parents=True, exist_ok=True)
    with (
        log.open("a", encoding="utf-8", errors="replace") as file,
        subprocess.Popen(
            command,
            cwd=workspace,
            env=environment({"PYTHONUNBUFFERED": "1", **extra}),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        ) as process,
    ):
        assert process.stdout is not None
        with _ended_with_us(process, file):
            for line in process.stdout:
                file.write(line)
                file.flush()
                last.append(line)
                if _SKIPPED.search(line) or _RUNNING.search(line):
                    decisive.append(line)
                elif any(reason.search(line) for reason in (_OUT_OF_MEMORY, BUSY, _READABLE, _PASSING)):
                    reasons.append(line)
                if line.strip():
                    tell(line.rstrip())
    return process.returncode, "".join([*decisive, *reasons, *last])


@contextmanager
def _ended_with_us(process: subprocess.Popen[str], log: TextIO) -> Iterator[None]:
    """End DVC, and with it the stage, when the block fails, for any reason.

    A cancelled flow, or one whose server is gone, stops reading in the middle of a line. The stage saves and prints
    that: its last lines are read, because a process that writes into a closed pipe dies before it has saved.
    """
    try:
        yield
    except BaseException:
        process.terminate()  # DVC's death asks the stage to stop (pipeline/common/processes.py)
        assert process.stdout is not None
        log.writelines(process.stdout)
        raise


def _dying_with_us() -> list[str]:
    return [dvc()[0], "-m", "pipeline.overnight.die_with_parent"]


def _outcome(stage: str, output: str) -> Outcome:
    """Return the outcome of a successful stage; only one that DVC skipped and did not run is cached."""
    ran = stage in _RUNNING.findall(output)
    skipped = stage in _SKIPPED.findall(output)
    return Outcome.cached if skipped and not ran else Outcome.ran


def _failure(stage: str, code: int, output: str, log: Path) -> StageError:
    readable = _READABLE.findall(output)
    if readable:
        return StageError(f"{stage}: {readable[-1]} (log: {log})", again=False)
    passing = _PASSING.findall(output)  # printed by the launcher, after all lines of a job
    if passing:
        return StageError(f"{stage}: {passing[-1].removeprefix(f'{stage}: ')} (log: {log})", again=True)
    tail = "\n".join(output.strip().splitlines()[-15:])
    return StageError(f"{stage}: `dvc repro` ended with code {code} (log: {log}):\n{tail}", again=True)
