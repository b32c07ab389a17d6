"""The graph of DVC's stages, and what has changed in it, as plain values."""

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
from pipeline.dvc_view.stage_facts import StageFacts, facts_of
from pipeline.dvc_view.torn_files import advice

BUSY = re.compile(r"is busy, it is being blocked by")
"""DVC's message when another DVC process has locked a file."""
BUSY_SECONDS = (1, 2, 4, 8, 16, *[60] * 24 * 60)
"""How long to wait before asking again: a day in all, because the other process may run a long stage."""


class Stage(NamedTuple):
    """A stage of dvc.yaml, unrolled."""

    name: str
    """DVC's address of it: ``dump@lse-1``."""
    needs: tuple[str, ...]
    """Stages whose outputs it reads."""
    facts: StageFacts = StageFacts()

    @property
    def kind(self) -> str:
        """``dump`` of ``dump@lse-1``."""
        return self.name.partition("@")[0]

    @property
    def program(self) -> str:
        """The program that DVC runs: ``evaluate`` of ``evaluate-initial@source-only``."""
        return self.facts.program or self.kind

    @property
    def run(self) -> str | None:
        """The initial model or round that it belongs to; None for `prepare` and `report`."""
        return self.name.partition("@")[2] or None


Graph = dict[str, Stage]
Needs = Mapping[str, Iterable[str]]
"""What each node needs, by name: of stages, or of rounds."""


def read_graph(workspace: Path) -> Graph:
    """Return all stages of a workspace, each after those that it needs.

    Raises:
        ReadableError: where DVC cannot read them, or for a ``meta`` with unknown keys.
    """
    from dvc.exceptions import DvcException  # imported here: DVC takes half a second
    from dvc.repo import Repo

    try:
        graph = Repo(str(workspace)).index.graph
    except DvcException as error:
        raise ReadableError(advice(workspace) or f"{workspace / 'dvc.yaml'}: DVC says: {error}") from None
    stages = {_address(stage, workspace): stage for stage in graph}
    needs = {name: [_address(needed, workspace) for needed in graph.successors(stages[name])] for name in stages}
    return _graph(needs, {name: stage.meta for name, stage in stages.items()})


def _graph(needs: Mapping[str, list[str]], meta: Mapping[str, Any]) -> Graph:
    return {name: Stage(name, tuple(sorted(needs[name])), _facts(name, meta[name])) for name in in_order(needs)}


def _address(stage: Any, workspace: Path) -> str:
    """Return what `dvc repro` calls a stage in the workspace; DVC's own answer depends on the current directory."""
    file = os.path.relpath(stage.path, workspace)
    name = getattr(stage, "name", None)
    if name is None:
        return file  # a .dvc file: data that was added
    return str(name) if file == "dvc.yaml" else f"{file}:{name}"


def _facts(name: str, meta: Any) -> StageFacts:
    """Return the facts of a stage of this project's dvc.yaml; the ``meta`` of other files is their authors'."""
    return StageFacts() if ":" in name or name.endswith(".dvc") else facts_of(name, meta)


def needs_of(graph: Graph) -> Needs:
    """Return what each stage needs."""
    return {name: stage.needs for name, stage in graph.items()}


def in_order(needs: Needs) -> list[str]:
    """Return the nodes, needed ones first; otherwise by name, so that two readings agree."""
    sorter, ordered = TopologicalSorter(needs), list[str]()
    sorter.prepare()
    while sorter.is_active():
        ready = sorted(sorter.get_ready())
        ordered += ready
        sorter.done(*ready)
    return ordered


def ancestors(needs: Needs, names: Iterable[str]) -> set[str]:
    """Return the named nodes and all that they need, directly or not."""
    return _reached(needs, names)


def descendants(needs: Needs, names: Iterable[str]) -> set[str]:
    """Return the named nodes and all that need them, directly or not."""
    needed_by: dict[str, list[str]] = {}
    for name, all_needed in needs.items():
        for needed in all_needed:
            needed_by.setdefault(needed, []).append(name)
    return _reached(needed_by, names)


def _reached(edges: Needs, names: Iterable[str]) -> set[str]:
    reached, left = set[str](), set(names)
    while left:
        reached |= left
        left = {other for name in left for other in edges.get(name, ())} - reached
    return reached


class Changes(NamedTuple):
    """The stages without an up-to-date result."""

    reasons: dict[str, list[Any]]
    """Why, in the words of `dvc status`."""
    cached: set[str]
    """Those of whose results for the present inputs DVC's cache has a copy."""
    graph: Graph
    """All stages, as ``read_graph`` returns them."""


def changed_stages(workspace: Path) -> dict[str, list[Any]]:
    """Return the reasons of ``find_changes``."""
    return find_changes(workspace).reasons


def find_changes(workspace: Path) -> Changes:
    """Return the stages without an up-to-date result in the workspace.

    Works while stages run, which `dvc status` does not.

    Raises:
        ReadableError: where DVC cannot read the stages, or for a ``meta`` with unknown keys.
    """
    return changes_in(ask_dvc(workspace))


def changes_in(view: Mapping[str, Any]) -> Changes:
    """Return what ``ask_dvc`` has returned, in our terms.

    Raises:
        ReadableError: for a ``meta`` with unknown keys.
    """
    return Changes(view["reasons"], set(view["cached"]), _graph(view["needs"], view["meta"]))


def ask_dvc(workspace: Path) -> dict[str, Any]:
    """Return what the program dvc_view/status.py prints in a workspace.

    Raises:
        ReadableError: where DVC cannot read the stages.
    """
    program = Path(__file__).with_name("status.py")
    answer = subprocess.run(
        [sys.executable, "-P", str(program)],  # -P: files beside it must not shadow modules
        cwd=workspace, env=environment(), capture_output=True, text=True, check=False,
    )  # fmt: skip
    if answer.returncode:
        why = advice(workspace) or f"{workspace}: DVC cannot say what has changed:\n{answer.stderr.strip()[-2000:]}"
        raise ReadableError(why)
    view: dict[str, Any] = json.loads(answer.stdout)
    return view


def dvc() -> list[str]:
    """Return the command of this Python's DVC. It waits for DVC's lock, which hashing a large file holds for long."""
    return [sys.executable, "-m", "dvc", "--wait-for-lock"]


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the environment with this Python's programs first, so that `python` in a stage's cmd is this one."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    return {**os.environ, "PATH": path, "DVC_NO_ANALYTICS": "1", **(extra or {})}
