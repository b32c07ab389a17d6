"""DVC's stages and what each of them needs, as plain values."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterable, Mapping
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any, NamedTuple

from pipeline.common.errors import ReadableError

# A stage that imports this computes with the network, so it wants a GPU: dvc.yaml's deps are compared with the imports.
_COMPUTES = "pipeline/models"

BUSY = re.compile(r"is busy, it is being blocked by")
"""What DVC says where another DVC holds a file's lock."""
BUSY_SECONDS = (1, 2, 4, 8, 16, *[60] * 24 * 60)
"""How long to wait before asking again: for as long as a stage may take that somebody runs by hand."""


class Stage(NamedTuple):
    """A stage of dvc.yaml, unrolled."""

    name: str
    """As DVC says it: ``dump@lse-1``."""
    needs: tuple[str, ...]
    """Stages whose outputs it reads."""
    computes: bool
    """Whether it runs a network, which wants a GPU slot."""

    @property
    def kind(self) -> str:
        """``dump`` of ``dump@lse-1``."""
        return self.name.partition("@")[0]

    @property
    def run(self) -> str | None:
        """The start or round that it belongs to; None for `prepare` and `report`."""
        return self.name.partition("@")[2] or None


Graph = dict[str, Stage]


def read_graph(workspace: Path) -> Graph:
    """All stages of a workspace, each after those that it needs. Raises ReadableError where DVC cannot read them."""
    from dvc.exceptions import DvcException  # imported here: DVC takes half a second, which only this need pay
    from dvc.repo import Repo

    try:
        graph = Repo(str(workspace)).index.graph
    except DvcException as error:
        raise ReadableError(f"{workspace / 'dvc.yaml'}: DVC says: {error}") from None
    found = [
        Stage(
            _address(stage, workspace),
            tuple(sorted({_address(needed, workspace) for needed in graph.successors(stage)})),
            any(str(dependency.def_path) == _COMPUTES for dependency in stage.deps),
        )
        for stage in graph
    ]
    return _in_order({stage.name: stage for stage in found})


def _address(stage: Any, workspace: Path) -> str:
    """What `dvc repro` calls a stage in the workspace; DVC's own answer depends on the current directory."""
    file = os.path.relpath(stage.path, workspace)
    name = getattr(stage, "name", None)
    if name is None:
        return file  # a .dvc file: data that was added
    return str(name) if file == "dvc.yaml" else f"{file}:{name}"


def _in_order(stages: Mapping[str, Stage]) -> Graph:
    """Needed stages first; otherwise by name, so that two readings agree."""
    sorter = TopologicalSorter({name: stages[name].needs for name in sorted(stages)})
    return {name: stages[name] for name in sorter.static_order()}


def ancestors(graph: Graph, names: Iterable[str]) -> set[str]:
    """The named stages and all that they need."""
    found: set[str] = set()
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += graph[name].needs
    return found


def descendants(graph: Graph, names: Iterable[str]) -> set[str]:
    """The named stages and all that need them."""
    found = set(names)
    for name, stage in graph.items():  # needed ones come first
        if found.intersection(stage.needs):
            found.add(name)
    return found


def changed_stages(workspace: Path) -> dict[str, list[Any]]:
    """Stages whose result DVC does not hold in the workspace for the present inputs, and why, as `dvc status` says it.

    Also while stages run, which `dvc status` cannot. Raises ReadableError where DVC cannot read the stages.
    """
    program = Path(__file__).with_name("status.py")
    answer = subprocess.run(
        [sys.executable, "-P", str(program)],  # -P: the names of the files beside it are not meant
        cwd=workspace, env=environment(), capture_output=True, text=True, check=False,
    )  # fmt: skip
    if answer.returncode:
        raise ReadableError(f"{workspace}: DVC cannot say what has changed:\n{answer.stderr.strip()[-2000:]}")
    found: dict[str, list[Any]] = json.loads(answer.stdout)
    return found


def dvc() -> list[str]:
    """The command of this Python's DVC. It waits for its lock: a sibling that hashes a large file holds it for long."""
    return [sys.executable, "-m", "dvc", "--wait-for-lock"]


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """This process's environment with this Python's programs first, so that `python` in a stage's cmd is this one."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    return {**os.environ, "PATH": path, "DVC_NO_ANALYTICS": "1", **(extra or {})}
