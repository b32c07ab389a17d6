"""``roundabout status``: what is done, what runs, what is stale, what `dvc repro` would run, and verdicts on rounds."""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from rich.table import Table
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from pipeline.commands.console import console, readable
from pipeline.commands.tables import print_table
from pipeline.common.errors import ReadableError, counted
from pipeline.common.work import Work, work_folders
from pipeline.dvc_view.graph import Changes, Graph, Stage, descendants, needs_of
from pipeline.dvc_view.last_answer import find_changes_again
from pipeline.dvc_view.lock_file import parsed, read_steadily
from pipeline.health.record import verdict_in_words
from pipeline.launcher.job_folder import queued_jobs
from pipeline.overnight.seed_workspaces import workspaces_of
from pipeline.timing.estimates import Past, estimate, past_seconds

_REASONS = {"changed deps": "inputs", "changed outs": "outputs", "changed command": "command"}

_SOURCES_NAMED = 3
_RESTORE_SECONDS = 2.0  # about, by links


class Line(NamedTuple):
    """A stage of dvc.yaml. ``seconds``: about how long it takes, None if it never ran."""

    stage: str
    state: str
    """``done``, ``stale``, ``follows`` (a stage before it is stale), ``missing``, ``running``, ``stopped``."""
    why: str
    seconds: float | None

    @property
    def will_run(self) -> bool:
        """Whether `dvc repro` would run it."""
        return self.state != "done"


@readable
def status() -> None:
    """Say of every stage whether it is done, running or stale, what `dvc repro` would run, and which rounds hold."""
    (changes, finished), whole = read_steadily(Path("dvc.lock"), _read_workspace)
    past = past_seconds(workspaces_of(Path()))
    lines = status_lines(changes.reasons, changes.graph, finished, work_folders(), past, queued_jobs(), changes.cached)
    table = Table("stage", "state", "why", "takes about")
    for line in lines:
        table.add_row(line.stage, line.state, line.why, _duration(line.seconds))
    print_table(table)
    if not whole:
        console.print("DVC writes dvc.lock all the time: some of this may be of a moment ago.")
    for verdict in verdict_lines(lines, Path("runs")):
        console.print(verdict, soft_wrap=True)
    for message in _changes_unknown_to_dvc(lines):
        console.print(message, style="yellow", highlight=False, soft_wrap=True)
    todo = [line for line in lines if line.will_run]
    if not todo:
        console.print("Everything is done: `dvc repro` would run nothing.")
        return
    total = _total([line.seconds for line in todo])
    console.print(f"`dvc repro` would run up to {len(todo)} of {len(lines)} stages: {total}.")
    console.print("Times are those of past runs; a stage whose inputs turn out the same is skipped.")


def _read_workspace() -> tuple[Changes, set[str]]:
    """Return the stages with what has changed, and which have a result."""
    return _changes_or_params_problems(), stages_with_results(Path("dvc.lock"))


def status_lines(
    changed: dict[str, list[Any]],
    graph: Graph,
    finished: set[str],
    works: list[Work],
    past: Past,
    jobs: dict[str, str],
    cached: Container[str] = (),
) -> list[Line]:
    """Return one line for each stage, in the order in which they run.

    ``changed`` is the output of `dvc status --json`; ``finished``: stages with a result; ``jobs``: numbers of Slurm
    jobs, whose working folders are locked on another machine; ``cached``: stages whose results DVC's cache has.
    """
    stale = {stage: reasons for stage, reasons in changed.items() if stage in graph}
    follows = descendants(needs_of(graph), stale) - set(stale)
    working = {work.stage: work for work in works}
    lines = []
    for stage in graph:
        state, why = "done", ""
        if stage in stale:
            # of a stage that has not run, DVC lists all inputs and outputs as new
            state, why = ("stale", _in_words(stale[stage])) if stage in finished else ("missing", "has not run here")
        elif stage in follows:
            state, why = "follows", "from what is stale before it"
        work = working.get(_working_name(graph[stage]))
        if work is not None and (state != "done" or work.running):
            state, why = ("running" if work.running else "stopped"), _progress(work)
        if stage in jobs and state != "done":
            state, why = "running", f"job {jobs[stage]} is in Slurm's queue{_parts(work)}"
        seconds = estimate(graph[stage].program, graph[stage].run, past)
        if stage in cached and state in ("stale", "missing"):
            why, seconds = f"{why}; in DVC's cache, restored in seconds", _RESTORE_SECONDS
        lines.append(Line(stage, state, why, seconds))
    return lines


def verdict_lines(lines: Iterable[Line], runs: Path) -> list[str]:
    """Return the verdict without labels on each round that has one, and its reason where it is not *holds*."""
    rounds = {line.stage.removeprefix("health@"): line for line in lines if line.stage.startswith("health@")}
    return [words for name, line in rounds.items() if (words := _verdict(runs / name, line))]


def _changes_unknown_to_dvc(lines: Iterable[Line]) -> list[str]:
    """Return what differs between the data sets' files and those that a `prepare` that is done has read."""
    if not any(line.stage == "prepare" and line.state == "done" for line in lines):
        return []
    if _is_drawn(Path("params.yaml")):
        return []
    from pipeline.check import changed_files  # imported here, as params: a fraction of a second
    from pipeline.params import read_data

    data = read_data()
    return [] if data is None else changed_files(data)


def _is_drawn(params: Path) -> bool:
    """Return whether `prepare` draws all data, so that DVC knows of every change; read without params' types."""
    try:
        data = YAML(typ="safe").load(params.read_bytes())["data"]
        return all("domain" in data[split] for split in ("source", "target", "evaluation"))
    except (OSError, YAMLError, TypeError, KeyError):
        return False


def _verdict(folder: Path, line: Line) -> str:
    verdict, words = verdict_in_words(folder)
    return f"{folder.name}: {words}{' (before it runs again)' if line.will_run else ''}" if verdict else words


def _working_name(stage: Stage) -> str:
    """Return what a stage calls its working folder."""
    return f"{stage.program}-{stage.run or ''}"


def _in_words(reasons: Iterable[Any]) -> str:
    words = []
    for reason in reasons:
        if isinstance(reason, str):  # "changed command"
            words.append(_REASONS.get(reason, reason))
            continue
        for kind, items in reason.items():
            names = [name for item, what in items.items() for name in (what if isinstance(what, dict) else [item])]
            words.append(f"{_REASONS.get(kind, kind)}: {', '.join(_few(names))}")
    return "; ".join(words)


def _few(names: list[str]) -> list[str]:
    """Return the names, with more than three source files as their number."""
    code = [name for name in names if name.startswith(("pipeline/", "stages/"))]
    if len(code) <= _SOURCES_NAMED:
        return names
    return [*(name for name in names if name not in code), f"{len(code)} sources"]


def _parts(work: Work | None) -> str:
    parts = 0 if work is None else len(list((work.folder / "cache").glob("part-*.h5")))
    return f", {counted(parts, 'part')} written" if parts else ""


def _progress(work: Work) -> str:
    parts = _parts(work)
    progress = parts.removeprefix(", ") if parts else "from its last checkpoint" if not work.running else "at work"
    return progress if work.running else f"was stopped; goes on, {progress}"


def stages_with_results(lock: Path) -> set[str]:
    """Return the stages of dvc.lock of whose outputs something exists.

    Raises:
        ReadableError: where dvc.lock is not YAML, or holds something else.
    """
    try:
        stages = (parsed(lock.read_bytes()) or {}).get("stages", {})
    except FileNotFoundError:
        return set()
    except YAMLError as error:
        raise ReadableError(f"{lock}: is not YAML ({error}); restore it from git") from None
    try:
        return {name for name, entry in stages.items() if any(map(_exists, entry.get("outs", [])))}
    except (AttributeError, KeyError, TypeError):
        raise ReadableError(f"{lock}: is not DVC's list of results; restore it from git") from None


def _exists(out: dict[str, Any]) -> bool:
    return Path(out["path"]).exists()


def _changes_or_params_problems() -> Changes:
    """Return the stages; where DVC cannot read them, the problems of params.yaml say more than DVC's words on dvc.yaml.

    Raises:
        ReadableError: where DVC cannot read them.
    """
    try:
        return find_changes_again(Path.cwd())
    except ReadableError:
        if Path("params.yaml").exists():
            from pipeline.params import read_params  # imported here: a fraction of a second

            read_params()
        raise


def _total(seconds: Sequence[float | None]) -> str:
    known = [value for value in seconds if value is not None]
    unknown = len(seconds) - len(known)
    if not known:
        return "no past run tells how long they take"
    return f"about {_duration(sum(known))}" + (f", and {unknown} of which no past run tells" if unknown else "")


def _duration(seconds: float | None) -> str:
    if seconds is None:
        return "–"
    if seconds < 1:
        return "< 1 s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s" if minutes else f"{rest} s"
