"""One stage through DVC, as a process: what DVC says about it is what the scheduler believes."""

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
from pipeline.overnight.out_of_memory import enough_pieces, in_pieces, remember_pieces
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
_TAIL = 60  # lines that decide what went wrong and that an error quotes


class StageError(ReadableError):
    """A stage failed; ``again`` says whether another try may help (a bad parameter fails the same way again)."""

    def __init__(self, message: str, *, again: bool) -> None:
        super().__init__(message)
        self.again = again


class Reproduced(NamedTuple):
    """What became of a stage."""

    outcome: Outcome
    """``ran`` or ``cached``: DVC held the result for these inputs, and it lies in the workspace now."""
    seconds: float
    pieces: int
    """In how many pieces batches went through the network (memory.py)."""


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
    """Runs ``dvc repro`` for one stage, or lets DVC restore what it holds; ``pull``: also from its remote;
    ``extra``: environment variables.

    Out of memory: the same again, each batch in twice as many pieces, which the workspace ``home`` remembers. Another
    stage's lock in DVC: waits and asks again. Everything the stage prints goes to the file ``log`` and line by line to
    ``tell``. Raises StageError.
    """
    began = time.monotonic()
    pieces, busy = enough_pieces(home, stage), iter(BUSY_SECONDS)
    while True:
        code, said = _run(workspace, stage, log, tell, pull, {**(extra or {}), **in_pieces(pieces)})
        if code == 0:
            return Reproduced(_outcome(stage, said), time.monotonic() - began, pieces)
        if in_batches and _OUT_OF_MEMORY.search(said) and (more := remember_pieces(home, stage, pieces)):
            tell(f"{stage}: out of memory; again with each batch in {more} pieces")
            pieces = more
        elif BUSY.search(said) and (seconds := next(busy, None)) is not None:
            tell(f"{stage}: DVC is busy with another stage's files; again in {seconds} s")
            time.sleep(seconds)
        else:
            raise _failure(stage, code, said, log)


def _run(
    workspace: Path, stage: str, log: Path, tell: Callable[[str], None], pull: bool, extra: Mapping[str, str]
) -> tuple[int, str]:
    command = [*_tied(), *dvc(), "repro", "--single-item", *(["--pull"] if pull else []), stage]
    last: deque[str] = deque(maxlen=_TAIL)
    decisive = []  # what DVC decided, however much the stage prints afterwards
    reasons: deque[str] = deque(maxlen=_TAIL)  # what a stage ended for, however long torchrun's traceback is
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
    """Ends DVC, and with it the stage, where this process stops listening, whatever for.

    A flow that is cancelled, or whose server has gone, ends in the middle of a line. The stage saves and says so: its
    last lines are read, for who writes into a closed pipe dies before it has saved.
    """
    try:
        yield
    except BaseException:
        process.terminate()  # DVC's death asks the stage to stop (pipeline/common/processes.py)
        assert process.stdout is not None
        log.writelines(process.stdout)
        raise


def _tied() -> list[str]:
    return [dvc()[0], "-m", "pipeline.overnight.die_with_parent"]


def _outcome(stage: str, said: str) -> Outcome:
    """DVC prints one of the two for a stage that ended well; only a plain "skipped" is a held result."""
    ran = stage in _RUNNING.findall(said)
    skipped = stage in _SKIPPED.findall(said)
    return Outcome.cached if skipped and not ran else Outcome.ran


def _failure(stage: str, code: int, said: str, log: Path) -> StageError:
    readable = _READABLE.findall(said)
    if readable:
        return StageError(f"{stage}: {readable[-1]} (log: {log})", again=False)
    passing = _PASSING.findall(said)  # said by the launcher, after all that a job has said
    if passing:
        return StageError(f"{stage}: {passing[-1].removeprefix(f'{stage}: ')} (log: {log})", again=True)
    tail = "\n".join(said.strip().splitlines()[-15:])
    return StageError(f"{stage}: `dvc repro` ended with code {code} (log: {log}):\n{tail}", again=True)
