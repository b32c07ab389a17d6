"""Workspaces with the real graph of stages whose commands wait instead of computing: for what the scheduler costs."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from bench.pipeline import tiny_params
from bench.workspace import ROOT, make_workspace
from pipeline.commands.rounds import block_of
from pipeline.methods.registry import METHODS, paper_rounds


def waiting_params(rounds: dict[str, int], starts: tuple[str, ...] = ("source-only",)) -> dict[str, Any]:
    """Return params of chains of rounds: how many of each of ``paper_rounds()``."""
    params = tiny_params()
    params = {key: value for key, value in params.items() if key not in METHODS}
    for method in rounds:
        params |= YAML(typ="safe").load(paper_rounds()[method][1].section)
    params["initial_models"] = {name: {"supervision": "source", "alignment": "none"} for name in starts}
    params["rounds"] = {}
    for method, count in rounds.items():
        params["rounds"] |= block_of(method, count, starts[0])
    return params


def make_waiting_workspace(folder: Path, params: dict[str, Any]) -> None:
    """Write the project's dvc.yaml with other commands: the same dependencies, parameters and outputs."""
    make_workspace(folder, params)
    shutil.copyfile(ROOT / "bench" / "waiting_stage.py", folder / "stages" / "waiting.py")
    path = folder / "dvc.yaml"
    described = YAML(typ="safe").load(path.read_text(encoding="utf-8"))
    for name, stage in described["stages"].items():
        kind = "evaluate" if name == "evaluate-initial" else name
        body = stage.get("do", stage)
        body["cmd"] = f"exec python -m stages.waiting {kind} {'${key}' if 'do' in stage else kind}"
        body.pop("plots", None)
        if kind in ("pretrain", "adapt"):
            body["outs"].append("runs/${key}/curves")
    writer = YAML(typ="safe", pure=True)
    writer.default_flow_style = False
    with path.open("w", encoding="utf-8") as file:
        writer.dump(described, file)
