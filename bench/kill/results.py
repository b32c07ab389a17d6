"""The faults that have happened, in bench/results/kill.json, and their table."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

from rich.console import Console

from bench.kill.campaign import Campaign, Trial, clean
from bench.kill.faults import AT_A_TIME, AT_AN_OPERATION
from bench.kill.pipelines import PIPELINES
from bench.kill.reference import make_reference
from bench.table import RESULTS, Row, machine, publish
from bench.workspace import ROOT
from pipeline.common.files import read_json, write_json, write_text

PATH = RESULTS / "kill.json"
PAGE = ROOT / "docs" / "reliability.md"


class Results:
    """All trials so far."""

    def __init__(self, seed: int, *, resume: bool, write: bool) -> None:
        self.seed, self._write = seed, write
        self.trials: list[Trial] = []
        self.ends: dict[str, list[str]] = {}
        """What did not hold at the end of each workspace."""
        if resume and PATH.exists():
            stored = read_json(PATH)
            self.trials = [Trial(**row) for row in stored["trials"]]
            self.ends = stored["ends"]

    @property
    def kills(self) -> int:
        return sum(bool(trial.signal) for trial in self.trials)

    @property
    def violations(self) -> int:
        """Number of workspaces in which something did not hold, each of which counts once."""
        bad = {str(trial.workspace) for trial in self.trials if trial.problems}
        return len(bad | {number for number, problems in self.ends.items() if problems})

    def next_workspace(self) -> int:
        return 1 + max((trial.workspace for trial in self.trials), default=0)

    def add(self, trial: Trial) -> None:
        self.trials.append(trial)
        mark = "; ".join(trial.problems) or (f"ok, {trial.torn[0]} was cut" if trial.torn else "ok")
        print(f"{self.kills:4} {trial.seconds:5.1f} s {trial.pipeline} {trial.stage:26} {trial.signal} {trial.victim} "
              f"{trial.instant} {trial.detail[-60:]}: {mark}", flush=True)  # fmt: skip
        self._store()

    def end(self, workspace: int, problems: list[str]) -> None:
        self.ends[str(workspace)] = problems
        print(f"workspace {workspace}: {'; '.join(problems) or 'equal to the undisturbed run'}", flush=True)
        self._store()

    def _store(self) -> None:
        if self._write:
            write_json(PATH, {"trials": [trial._asdict() for trial in self.trials], "ends": self.ends})

    def publish(self) -> int:
        """Print the table and return the exit code."""
        Console().print("\n".join(self.table()), markup=False, highlight=False)
        rows = [
            Row("kills", self.kills, "", "≥ 500", self.kills >= 500),
            Row("violations", self.violations, "", "0", not self.violations),
            Row(
                "of them, cut a file of DVC, which was set aside",
                sum(bool(t.torn) for t in self.trials),
                "",
                None,
                None,
            ),
            Row("workspaces driven to their end", len(self.ends), "", None, None),
        ]
        if self._write:
            self._write_page()
            trials = [trial._asdict() for trial in self.trials]
            publish("kill", rows, f"{machine()}; seed {self.seed}", trials=trials, ends=self.ends)
        print(f"{self.kills} kills, {self.violations} violations")
        return int(self.violations > 0)

    def _write_page(self) -> None:
        """Replace the table in docs/reliability.md."""
        summary = (
            f"{self.kills} kills in {len(self.ends)} workspaces (seed {self.seed}), in {self.violations} of which "
            "something did not hold. "
            f"{sum(bool(trial.torn) for trial in self.trials)} kills cut a file of DVC, which was set aside:"
        )
        body = "\n".join(["<!-- begin kills -->", summary, "", *self.table(), "<!-- end kills -->"])
        pattern = re.compile("<!-- begin kills -->.*<!-- end kills -->", re.DOTALL)
        write_text(PAGE, pattern.sub(lambda _: body, PAGE.read_text(encoding="utf-8")))

    def table(self) -> list[str]:
        """Return Markdown: kills by stage, and by signal, victim and instant; violations after a slash."""
        columns = sorted({_column(trial) for trial in self.trials if trial.signal})
        count, bad = Counter[tuple[str, str]](), Counter[tuple[str, str]]()
        for trial in self.trials:
            for program in (trial.program, "all"):
                for column in (_column(trial), "all"):
                    count[program, column] += bool(trial.signal)
                    bad[program, column] += bool(trial.problems)
        programs = [*dict.fromkeys(trial.program for trial in self.trials if trial.signal), "all"]
        lines = [f"| stage | {' | '.join([*columns, 'all'])} |", "|---|" + "---|" * (len(columns) + 1)]
        for program in programs:
            cells = [_cell(count[program, column], bad[program, column]) for column in [*columns, "all"]]
            lines.append(f"| {program} | {' | '.join(cells)} |")
        return lines


def _column(trial: Trial) -> str:
    when = {"time": "", "clean": " before an operation", "torn": " in an operation"}.get(trial.instant, "")
    return f"{trial.signal} {trial.victim}{when}"


def _cell(count: int, bad: int) -> str:
    return f"{count or '–'}" + (f" ({bad} bad)" if bad else "")


def run(home: Path, results: Results, kills: int, each: int, short: bool, operations: bool) -> None:
    """Drive workspaces to their ends until there are so many kills."""
    home.mkdir(parents=True, exist_ok=True)
    campaigns: dict[str, Campaign] = {}
    compiled = ROOT
    kinds = AT_A_TIME + (AT_AN_OPERATION if operations else ())

    def done(trial: Trial) -> bool:
        results.add(trial)
        return results.kills < kills

    while results.kills < kills:
        number = results.next_workspace()
        names = list(PIPELINES)[:1] if short else list(PIPELINES)
        name = names[(number - 1) % len(names)]
        if name not in campaigns:
            reference = make_reference(home / name, PIPELINES[name](), compiled)
            compiled = reference.folder
            print(f"{name}: {len(reference.stages)} stages, {sum(s.seconds for s in reference.stages.values()):.0f} s")
            campaigns[name] = Campaign(reference, results.seed, each, kinds)
        folder = home / f"workspace-{number}"
        problems = campaigns[name].drive(number, folder, done)
        results.end(number, problems)
        if not problems:
            clean(folder)
