"""site.yaml as types: where each heavy stage runs, and with which resources. No stage depends on it.

The file describes a machine, not the experiment: git and DVC do not track it. Without it everything runs here.
"""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, field_validator
from pydantic_core import ErrorDetails
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from pipeline.common.errors import did_you_mean
from pipeline.common.section import NotNegative, Positive, Section
from pipeline.dvc_view.stage_facts import StageFacts, launched_programs
from pipeline.params.messages import in_words
from pipeline.params.reading import ParamsError

SITE = Path("site.yaml")

_TIME = re.compile(r"\d+(:\d\d){0,2}|\d+-\d+(:\d\d){0,2}")
_MEMORY = re.compile(r"\d+[KMGT]?", re.IGNORECASE)
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# Options of sbatch that the launcher sets itself, to find a job, follow it, requeue it and take its result.
_OURS = {
    "--job-name": "-J", "--array": "-a", "--chdir": "-D", "--output": "-o", "--error": "-e", "--clusters": "-M",
    "--wait": "-W", "--open-mode": "", "--signal": "", "--requeue": "", "--no-requeue": "", "--parsable": "",
    "--wrap": "", "--test-only": "",
}  # fmt: skip


class SiteError(ParamsError):
    """site.yaml has errors; ``problems`` has one line for each."""


class Resources(Section):
    """Resources of one stage. site.example.yaml has an example of each."""

    where: Literal["local", "slurm"] = "local"
    processes: Positive | None = Field(None, description="that share the work of one stage; default: one for each GPU")
    environment: dict[str, str] = Field(default_factory=dict, description="variables of the stage")
    setup: tuple[str, ...] = Field((), description="shell lines before it: module load …, source …/activate")
    container: str | None = Field(None, description="a command that runs another one in a container")
    python: str | None = Field(None, description="the interpreter; default: this one, `python` in a container")

    partition: str | None = None
    account: str | None = None
    gpus: NotNegative = 0
    gpu_type: str | None = Field(None, description="as in --gres=gpu:TYPE:1")
    cpus: Positive | None = None
    memory: str | int | None = Field(None, description="of the node, in Slurm's notation: 32G")
    time: str | int | None = Field(None, description="limit in Slurm's notation: minutes, 12:00:00, 1-00:00")
    shards: Positive = Field(1, description="of dump: so many jobs of one array, each with these resources")
    grace: Annotated[int, Field(ge=1, le=65535, strict=True)] = Field(
        120, description="seconds before the time limit at which a stage saves and the job is put back into the queue"
    )
    restarts: NotNegative = Field(20, description="after so many the stage is given up")
    options: tuple[str, ...] = Field((), description="further options of sbatch, as they are")

    @field_validator("time")
    @classmethod
    def _is_a_time(cls, time: str | int | None) -> str | int | None:
        if isinstance(time, bool) or (time is not None and not _TIME.fullmatch(str(time))):
            raise ValueError("is not a Slurm time limit; say minutes, hours:minutes:seconds or days-hours:minutes")
        return time

    @field_validator("container")
    @classmethod
    def _is_a_command(cls, container: str | None) -> str | None:
        if container is not None:
            try:
                words = shlex.split(container)
            except ValueError as error:
                raise ValueError(f"is not a command: {error}") from None
            if not words:
                raise ValueError("is not a command; leave it out to run without a container")
        return container

    @field_validator("memory")
    @classmethod
    def _is_a_memory(cls, memory: str | int | None) -> str | int | None:
        if isinstance(memory, bool) or (memory is not None and not _MEMORY.fullmatch(str(memory))):
            raise ValueError("is not a Slurm memory size; say 32G or 32000M")
        return memory

    @field_validator("options")
    @classmethod
    def _leave_ours_alone(cls, options: tuple[str, ...]) -> tuple[str, ...]:
        wrong = [option for option in options if _is_ours(option)]
        if wrong:
            raise ValueError(f"are set by the launcher itself: {', '.join(wrong)}; leave them out")
        return options

    @field_validator("environment", mode="before")
    @classmethod
    def _values_are_text(cls, environment: Any) -> Any:
        """Turn numbers into text; refuse booleans, whose text is unclear ("true", "True" or "1")."""
        if not isinstance(environment, dict):
            return environment
        wrong = [str(name) for name in environment if not _NAME.fullmatch(str(name))]
        wrong += [f"{name} (quote its value)" for name, value in environment.items() if isinstance(value, bool)]
        if wrong:
            raise ValueError(f"cannot be variables: {', '.join(wrong)}")
        return {name: str(value) if isinstance(value, int | float) else value for name, value in environment.items()}

    @property
    def workers(self) -> int:
        """Number of processes on a node that share the stage's work."""
        return self.processes or max(1, self.gpus)


def _is_ours(option: str) -> bool:
    """Whether an option is the launcher's. Like sbatch, accept shortened long names, and short ones with values."""
    if option.startswith("--"):
        given = re.split("[= ]", option)[0]
        return len(given) > 3 and any(name.startswith(given) for name in _OURS)
    return option[:2] in filter(None, _OURS.values())


class Site(Section):
    """Resources of every heavy stage: the file's ``defaults``, updated by the stage's own table."""

    stages: dict[str, Resources]

    def resources(self, stage: str) -> Resources:
        """Return the resources of a stage."""
        return self.stages.get(stage, Resources())


def read_site(path: Path = SITE) -> Site:
    """Read and check the file; without one, everything runs here.

    Raises:
        SiteError: with all problems of the file.
        ReadableError: where dvc.yaml, which names the heavy stages, cannot be read.
    """
    if not path.exists():
        return Site(stages={})
    raw = _read_yaml(path)
    problems = _unknown(raw, "", ("defaults", "stages"))
    defaults, stages = (_table(raw, key) for key in ("defaults", "stages"))
    tables = {"defaults": defaults, "stages": stages}
    problems += [f"{key}: must be a table" for key, table in tables.items() if not isinstance(table, dict)]
    if problems:
        raise SiteError(path, problems)
    programs = launched_programs()
    problems += _unknown(stages, "stages.", tuple(programs)) + _problems_of(defaults, "defaults")
    resources: dict[str, Resources] = {}
    for stage, facts in programs.items():
        own = _table(stages, stage)
        if not isinstance(own, dict):
            problems.append(f"stages.{stage}: must be a table")
            continue
        problems += _problems_of(own, f"stages.{stage}")
        if not problems:
            resources[stage] = Resources(**_merged(_for_one_process(defaults) if facts.alone else defaults, own))
            problems += _misfits(stage, facts, resources[stage], own)
    if problems:
        raise SiteError(path, problems)
    return Site(stages=resources)


def _table(raw: dict[str, Any], key: str) -> Any:
    """Return the value of a key; a key without a value, or with all of it commented out, is an empty table."""
    value = raw.get(key)
    return {} if value is None else value


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        raw = YAML(typ="safe").load(path.read_text(encoding="utf-8"))
    except (YAMLError, UnicodeDecodeError) as error:
        raise SiteError(path, [f"is not YAML: {error}"]) from None
    if raw is None:
        return {}
    if not isinstance(raw, dict):
        raise SiteError(path, ["must be a table with the keys defaults and stages"])
    return raw


def _for_one_process(defaults: dict[str, Any]) -> dict[str, Any]:
    """Return the defaults of a stage that works in one process: with at most one GPU, for others would idle."""
    kept = {key: value for key, value in defaults.items() if key != "processes"}
    return {**kept, "gpus": 1} if kept.get("gpus", 0) > 1 else kept


def _merged(defaults: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
    """Update the defaults by a stage's own values; variables of ``environment`` are added to the common ones."""
    merged = {**defaults, **own}
    if "environment" in defaults and "environment" in own:
        merged["environment"] = {**defaults["environment"], **own["environment"]}
    return merged


def _misfits(stage: str, facts: StageFacts, resources: Resources, own: dict[str, Any]) -> list[str]:
    problems = []
    if resources.shards > 1 and not facts.shards:
        problems.append(f"stages.{stage}.shards: this stage cannot be cut into shards; say it of one that can (dump)")
    elif resources.shards > 1 and resources.where == "local":
        problems.append(f"stages.{stage}.shards: are jobs of Slurm; here, say processes")
    limit = _seconds(resources.time)
    if resources.where == "slurm" and limit is not None and resources.grace >= limit:
        problems.append(f"stages.{stage}.grace: must be shorter than time ({resources.grace} s of {limit} s)")
    if facts.alone and resources.workers > 1 and ("gpus" in own or "processes" in own):
        problems.append(f"stages.{stage}: works in one process and on one GPU")
    return problems


def _seconds(time: str | int | None) -> int | None:
    """Return a time limit (minutes, M:S, H:M:S, D-H, D-H:M or D-H:M:S) in seconds; None without one, or for 0."""
    if time is None:
        return None
    days, dash, rest = str(time).rpartition("-")
    numbers = [int(number) for number in rest.split(":")]
    if dash:
        hours, minutes, seconds = [*numbers, 0, 0][:3]
    elif len(numbers) == 3:
        hours, minutes, seconds = numbers
    else:
        hours, (minutes, seconds) = 0, [*numbers, 0][:2]
    return ((int(days or 0) * 24 + hours) * 60 + minutes) * 60 + seconds or None


def _problems_of(raw: dict[str, Any], path: str) -> list[str]:
    try:
        Resources(**{str(key): value for key, value in raw.items()})
    except ValidationError as error:
        return [_line(item, path) for item in error.errors(include_url=False)]
    return []


def _line(item: ErrorDetails, path: str) -> str:
    key = ".".join([path, *(str(step) for step in item["loc"][:2] if step not in ("str", "int"))])
    if item["type"] == "extra_forbidden":
        return f"{key}: unknown key{did_you_mean(str(item['loc'][-1]), tuple(Resources.model_fields))}"
    return f"{key}: {in_words(item)}"


def _unknown(raw: dict[Any, Any], path: str, known: tuple[str, ...]) -> list[str]:
    return [f"{path}{key}: unknown key{did_you_mean(str(key), known)}" for key in raw if key not in known]
