"""A throw-away copy of the project in which a benchmark may run the pipeline."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

ROOT = Path(__file__).resolve().parents[1]
FIRST_ON_PATH: list[str] = []
"""Folders whose programs `run` finds before this Python's."""
# Not numba's machine code (*.nbi, *.nbc), which is as old as its source there too: compiling it takes half a minute.
IGNORED = shutil.ignore_patterns("*.pyc*", "*.tmp.*")
CODE = (
    "pipeline",
    "stages",
    "bench",
    "presets",
    "data/classes",
    "data/lists",
    "dvc.yaml",
    "pyproject.toml",
    ".dvcignore",
)


def make_workspace(folder: Path, params: dict[str, Any]) -> None:
    """Copies the code into ``folder``, makes it a DVC workspace without git, and writes params.yaml."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in CODE:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=IGNORED, dirs_exist_ok=True)
        else:
            shutil.copyfile(source, folder / name)
    if not (folder / ".dvc").exists():
        run(folder, "dvc", "init", "--no-scm", "--quiet")
        run(folder, "dvc", "config", "cache.type", "reflink,hardlink,symlink")
    link_data(folder, params)
    write_params(folder, params)


def link_data(folder: Path, params: dict[str, Any]) -> None:
    """Link the data sets that the params name below `data/`, where this checkout has them, into the workspace."""
    roots = [Path(split["root"]) for split in params["data"].values() if isinstance(split, dict) and "root" in split]
    for name in {root.parts[1] for root in roots if root.parts[:1] == ("data",)}:
        source, link = ROOT / "data" / name, folder / "data" / name
        if source.exists() and not link.exists():
            link.symlink_to(source.resolve())


def write_params(folder: Path, params: dict[str, Any]) -> None:
    """Writes params.yaml."""
    yaml = YAML(typ="safe")
    yaml.sort_base_mapping_type_on_output = False  # the first initial model and the order of rounds mean something
    with (folder / "params.yaml").open("w", encoding="utf-8") as file:
        yaml.dump(params, file)


def preset(name: str) -> dict[str, Any]:
    """A preset as plain values."""
    loaded: dict[str, Any] = YAML(typ="safe").load((ROOT / "presets" / f"{name}.yaml").read_text(encoding="utf-8"))
    return loaded


def run(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """Runs a command in the workspace with this Python's programs first; raises with its output if it fails."""
    path = os.pathsep.join([*FIRST_ON_PATH, str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    # PYTHONPATH: the workspace's own copy of the code, not the checkout that is installed
    environment = {**os.environ, "PATH": path, "PYTHONPATH": str(folder), "DVC_NO_ANALYTICS": "1"}
    answer = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if answer.returncode:
        raise RuntimeError(f"{' '.join(command)} failed:\n{answer.stdout[-3000:]}\n{answer.stderr[-3000:]}")
    return answer
