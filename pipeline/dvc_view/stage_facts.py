"""What ``meta:`` of dvc.yaml says about each stage: facts for the launcher, the night and `status`.

DVC ignores ``meta`` and does not record it in dvc.lock: changing it runs nothing again.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from pipeline.common.errors import ReadableError, did_you_mean


class StageFacts(NamedTuple):
    """Facts about one stage of dvc.yaml, the same for all of its runs."""

    gpu: bool = False
    """Runs a network: it goes through the launcher, and takes a GPU slot in a night."""
    alone: bool = False
    """Several processes cannot share its work."""
    shards: bool = False
    """An array of Slurm jobs can share its work."""
    in_batches: bool = False
    """Smaller batches help when it runs out of memory (training/micro_batches.py)."""
    evaluates: bool = False
    """Writes the metrics of a run."""
    program: str = ""
    """Its program in stages/, where that has another name than the stage."""


def facts_of(stage: str, meta: Any) -> StageFacts:
    """Return what a stage's ``meta`` says.

    Raises:
        ReadableError: for unknown keys and for values of another type; the message names them.
    """
    meta = {} if meta is None else meta
    if not isinstance(meta, dict):
        raise ReadableError(f"dvc.yaml: {stage}.meta: must be a table (it is {meta!r})")
    problems = []
    for key, value in meta.items():
        default = StageFacts._field_defaults.get(key)
        if default is None:
            problems.append(f"{stage}.meta.{key}: unknown key{did_you_mean(str(key), StageFacts._fields)}")
        elif type(value) is not type(default):
            kind = "true or false" if isinstance(default, bool) else "text"
            problems.append(f"{stage}.meta.{key}: must be {kind} (it is {value!r})")
    if problems:
        raise ReadableError(f"dvc.yaml: {'; '.join(problems)}")
    return StageFacts(**meta)


def launched_programs(workspace: Path = Path()) -> dict[str, StageFacts]:
    """Return the facts of the programs that go through the launcher, by name, in the order of dvc.yaml.

    Raises:
        ReadableError: where dvc.yaml is missing, is not YAML, or has a ``meta`` that cannot be used.
    """
    path = workspace / "dvc.yaml"
    try:
        stages = _stages(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ReadableError(f"{path}: is missing; run this in the project's folder") from None
    except (YAMLError, AttributeError) as error:
        raise ReadableError(f"{path}: is not a file of stages ({error}); restore it from git") from None
    facts = {name: facts_of(name, entry.get("do", entry).get("meta")) for name, entry in stages.items()}
    return {fact.program or name: fact for name, fact in facts.items() if fact.gpu}


def code_of(address: str, workspace: Path = Path()) -> list[str]:
    """Return the files and folders of code that dvc.yaml lists for ``dump@lse-1``; none where it is missing."""
    path = workspace / "dvc.yaml"
    if not path.exists():
        return []
    entry = _stages(path.read_text(encoding="utf-8")).get(address.rpartition(":")[2].partition("@")[0]) or {}
    listed = entry.get("do", entry).get("deps") or []
    return [name for name in listed if name.split("/")[0] in ("pipeline", "stages")]


@lru_cache(maxsize=1)
def _stages(text: str) -> dict[str, Any]:
    stages: dict[str, Any] = YAML(typ="safe").load(text).get("stages") or {}
    return stages
