"""Workspaces with the real graph of stages whose commands wait instead of computing: for what the scheduler costs."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from bench.pipeline import tiny_params
from bench.workspace import ROOT, make_workspace


def waiting_params(rounds: dict[str, int], starts: tuple[str, ...] = ("source-only",)) -> dict[str, Any]:
    """Params of chains of rounds: how many of each method (``lse``, ``cbst``, ``cada``, ``st``)."""
    params = tiny_params()
    sections = {
        "lse": params["lse"],
        "cbst": {"compat": "paper"},
        "cada": {"compat": "paper", "delta": 0.0},
    }
    params |= {method: section for method, section in sections.items() if method in rounds}
    if "st" in rounds:
        params["cbst"] = sections["cbst"]
    if "lse" not in rounds:
        del params["lse"]
    params["starts"] = {name: {"supervision": "source", "alignment": "none"} for name in starts}
    params["rounds"] = {
        f"{method}-{number}": _round(method, starts[0] if number == 1 else f"{method}-{number - 1}")
        for method, count in rounds.items()
        for number in range(1, count + 1)
    }
    return params


def _round(method: str, init: str) -> dict[str, Any]:
    entry: dict[str, Any] = {"method": "cbst" if method == "st" else method, "init": init}
    if method != "cada":
        entry["portion"] = 0.5
    if method == "st":
        entry["thresholds"] = "global"
    return entry


def make_waiting_workspace(folder: Path, params: dict[str, Any]) -> None:
    """The project's dvc.yaml with other commands: the same dependencies, parameters and outputs."""
    make_workspace(folder, params)
    shutil.copyfile(ROOT / "bench" / "waiting_stage.py", folder / "stages" / "waiting.py")
    path = folder / "dvc.yaml"
    described = YAML(typ="safe").load(path.read_text(encoding="utf-8"))
    for name, stage in described["stages"].items():
        kind = "evaluate" if name == "evaluate-start" else name
        body = stage.get("do", stage)
        body["cmd"] = f"exec python -m stages.waiting {kind} {'${key}' if 'do' in stage else kind}"
        body.pop("plots", None)
        if kind in ("pretrain", "adapt"):
            body["outs"].append("runs/${key}/curves")
    writer = YAML(typ="safe", pure=True)
    writer.default_flow_style = False
    with path.open("w", encoding="utf-8") as file:
        writer.dump(described, file)
