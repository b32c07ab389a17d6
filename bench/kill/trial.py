"""One `dvc repro` that a fault interrupts, and what must hold afterwards."""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from bench.kill.faults import Fault
from bench.kill.process import Copy
from bench.kill.reference import NOT_EQUAL, Reference, file_hashes, hash_of, recorded_outputs, size_of
from pipeline.dvc_view.torn_files import set_torn_files_aside

ORPHAN_SECONDS = 30
SILENCE = 120
"""Seconds without a message after which a run counts as hanging."""
STOPPED = 0.3
"""Seconds between SIGSTOP and SIGCONT."""
DISK = 2.0
"""A workspace may be so many times as large as the reference's at most."""

Choose = Callable[[str], Fault | None]


class Struck(NamedTuple):
    """What became of one `dvc repro`."""

    faults: list[tuple[Fault, str]]
    """Those that have happened, and where; a lethal one is the last."""
    ended: int | None
    """DVC's exit code; negative for a signal."""
    seconds: dict[str, float]
    """Of the stages that came to their ends."""
    begun: list[str]
    """Stages that ran."""
    problems: list[str]

    @property
    def killed_dvc(self) -> bool:
        return self.killed and self.faults[-1][0].kind.victim != "stage"

    @property
    def killed(self) -> bool:
        return any(fault.kind.lethal for fault, _ in self.faults)


class Run:
    """Watches one `dvc repro` and strikes until a fault is lethal."""

    def __init__(self, folder: Path, log: Path, choose: Choose) -> None:
        self._copy, self._choose = Copy(folder, log), choose
        self.problems: list[str] = []
        self._fault: Fault | None = None
        """What will happen next."""
        self._due = float("inf")
        self._struck = Struck([], None, {}, [], self.problems)
        self._stage, self._saving, self._began = 0, "", 0.0
        self._running: dict[str, int] = {}

    def watch(self) -> Struck:
        """Return when all processes are gone."""
        heard = time.monotonic()
        while True:
            now = time.monotonic()
            if now >= self._due:
                self._strike()
            message = self._copy.message(max(0.001, min(self._due, heard + SILENCE) - now))
            if message is not None and message["what"] == "gone":
                break
            if message is not None:
                heard = time.monotonic()
                self._on(message)
            elif time.monotonic() > heard + (ORPHAN_SECONDS if self._struck.killed else SILENCE):
                self._give_up()
                break
        return self._struck._replace(ended=self._reaped())

    def _give_up(self) -> None:
        what = "a process lives 30 s after the kill" if self._struck.killed else f"silent for {SILENCE} s"
        self.problems.append(f"{what}: {', '.join(self._running) or 'DVC'}")
        with suppress(ProcessLookupError):
            os.killpg(self._copy.pid, signal.SIGKILL)

    def _on(self, message: dict[str, Any]) -> None:
        what, stage, pid = message["what"], message.get("stage", ""), message.get("pid", 0)
        if what == "begin":
            self._begin(stage, pid)
        elif what == "saving":
            self._running.pop(stage, None)
            self._saving = stage
            self._answer(pid, "DVC")
        elif what == "saved" and self._fault is not None and self._fault.number and self._saving:
            self._fault = None  # missed: there were fewer operations
        elif what == "end":
            self._struck.seconds[stage] = time.monotonic() - self._began
            if self._fault is not None and self._fault.kind.victim != "DVC":
                self._fault, self._due = None, float("inf")  # missed: the stage was quicker
        elif what == "fault" and self._fault is not None:
            self._struck.faults.append((self._fault, f"{message['operation']} {message['path']}"))

    def _begin(self, stage: str, pid: int) -> None:
        if stage in self._running and Path(f"/proc/{self._running[stage]}").exists():
            self.problems.append(f"{stage}: runs twice at once")
        self._struck.begun.append(stage)
        self._running[stage], self._stage, self._saving, self._began = pid, pid, "", time.monotonic()
        if self._fault is None and not self._struck.killed:
            self._fault = self._choose(stage)
            if self._fault is not None and not self._fault.number:
                self._due = time.monotonic() + self._fault.seconds
        self._answer(pid, "stage")

    def _answer(self, pid: int, process: str) -> None:
        """Let a process go on; to the fatal operation, if it is the victim."""
        fault = self._fault if self._fault is not None and self._fault.kind.victim == process else None
        self._copy.answer(
            pid,
            fault.number if fault else 0,
            torn=bool(fault and fault.kind.instant == "torn"),
            file=fault.kind.file if fault else "",
        )

    def _strike(self) -> None:
        fault, self._due = self._fault, float("inf")
        assert fault is not None
        number = signal.Signals[fault.kind.signal]
        with suppress(ProcessLookupError):
            self._send(fault, number)
            self._struck.faults.append((fault, f"after {fault.seconds:.3f} s"))
            if not fault.kind.lethal:
                time.sleep(STOPPED)
                self._send(fault, signal.SIGCONT)
        self._fault = None

    def _send(self, fault: Fault, number: signal.Signals) -> None:
        if fault.kind.victim == "both":
            os.killpg(self._copy.pid, number)
        else:
            os.kill(self._stage if fault.kind.victim == "stage" else self._copy.pid, number)

    def _reaped(self) -> int | None:
        """Wait for all processes, of which this one is the parent once their own is dead; return DVC's exit code."""
        code, end = None, time.monotonic() + ORPHAN_SECONDS
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return code
            if pid == self._copy.pid:
                code = os.waitstatus_to_exitcode(status)
            elif pid == 0 and time.monotonic() > end:
                self.problems.append("an orphan lives after 30 s")
                return code
            elif pid == 0:
                time.sleep(0.005)


class Acknowledged:
    """What dvc.lock has recorded in a workspace so far: it must stay, and be what the reference has."""

    def __init__(self, folder: Path, reference: Reference) -> None:
        self._folder, self._reference = folder, reference
        self._recorded = dict[str, dict[str, str]]()
        self._ever = set[str]()

    def problems(self, struck: Struck) -> tuple[list[str], list[str]]:
        """Return what does not hold after a run, and which files of DVC it has left cut.

        Those are set aside, as a night does. Then what they had recorded must come from DVC's cache: a stage that was
        recorded once never runs again.
        """
        torn = [str(path) for path in set_torn_files_aside(self._folder)]
        recorded = recorded_outputs(self._folder)
        lost = [stage for stage in self._recorded if stage not in recorded]
        if lost and struck.killed_dvc and not torn:
            torn = ["dvc.lock, between two entries"]
        problems = [f"{stage}: was recorded, and is not any more" for stage in lost if not torn]
        problems += [f"{stage}: was recorded, and runs again" for stage in struck.begun if stage in self._ever]
        for stage in [stage for stage in recorded if stage not in self._recorded]:
            problems += self._wrong(stage, recorded[stage])
        self._recorded = recorded
        self._ever |= recorded.keys()
        return problems + self._piled_up() + self._disk(), torn

    def _piled_up(self) -> list[str]:
        """Return files that killed writers leave, where there are several of one file."""
        names = Counter(
            path.parent / path.name.rsplit(".", 2)[0]
            for ending in ("partial", "tmp")
            for path in (self._folder / ".roundabout" / "work").rglob(f".*.{ending}")
        )
        return [f"{name}: left {count} times" for name, count in names.items() if count > 1]

    def _wrong(self, stage: str, outs: dict[str, str]) -> list[str]:
        expected = self._reference.stages[stage].outputs
        other = [path for path, key in outs.items() if stage != "report" and expected.get(path) != key]
        problems = [f"{stage}: {path} was recorded with other bytes" for path in other]
        for path, key in outs.items():
            cached = self._folder / ".dvc" / "cache" / "files" / "md5" / key[:2] / key[2:]
            if not cached.exists() or hash_of(cached) != key.removesuffix(".dir"):
                problems.append(f"{stage}: {path} was recorded, and its bytes are not in the cache")
        return problems

    def _disk(self) -> list[str]:
        size = size_of(self._folder)
        return [f"{size} bytes on the disk"] if size > DISK * self._reference.bytes else []

    def at_the_end(self) -> list[str]:
        """Return what does not hold when the pipeline has come to its end."""
        files = file_hashes(self._folder)
        names = {name for name in files.keys() | self._reference.files.keys() if name not in NOT_EQUAL}
        other = sorted(name for name in names if files.get(name) != self._reference.files.get(name))
        problems = [f"{name}: differs from the undisturbed run's" for name in other[:5]]
        cache = self._folder / ".dvc" / "cache" / "files" / "md5"
        for path in cache.glob("??/[!.]*"):  # names that begin with a dot are files that DVC had begun to write
            if hash_of(path) != (path.parent.name + path.name).removesuffix(".dir"):
                problems.append(f"{path.relative_to(self._folder)}: damaged in DVC's cache")
        left = (self._folder / ".roundabout" / "work").glob("*")
        return problems + [f"{path.relative_to(self._folder)}: is left behind" for path in left]
