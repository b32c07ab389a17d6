"""``roundabout use``: begin with a preset."""

from __future__ import annotations

import subprocess
from itertools import takewhile
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from pipeline.commands.console import console, readable
from pipeline.common.errors import ReadableError, did_you_mean
from pipeline.common.files import write_text

PARAMS = Path("params.yaml")
PRESETS = Path(__file__).resolve().parents[2] / "presets"


@readable
def use(
    name: Annotated[str | None, typer.Argument(help="a preset; without one, they are listed")] = None,
    force: Annotated[bool, typer.Option("--force", help="overwrite changes that are not committed")] = False,
) -> None:
    """Copy a preset onto params.yaml."""
    presets = {path.stem: path for path in sorted(PRESETS.glob("*.yaml"))}
    if name is None:
        listed = Table.grid(padding=(0, 2, 1, 0))
        listed.add_column(no_wrap=True)
        listed.add_column()
        for preset, path in presets.items():
            listed.add_row(Text(preset, "bold"), _about(path))
        console.print(listed)
        return
    if name not in presets:
        hint = did_you_mean(name, list(presets)) or f"; choose one of {', '.join(presets)}"
        raise ReadableError(f"there is no preset {name!r}{hint}")
    if not force and _has_own_changes(presets):
        raise ReadableError("params.yaml has changes that are not committed; commit them, or use --force to lose them")
    write_text(PARAMS, presets[name].read_text(encoding="utf-8"))
    console.print(f"params.yaml is now the preset {name}; `dvc repro` runs it")


def _about(preset: Path) -> str:
    """Return the comment with which a preset begins, as one paragraph."""
    lines = takewhile(lambda line: line.startswith("#"), preset.read_text(encoding="utf-8").splitlines())
    return " ".join(line.lstrip("# ") for line in lines)


def _has_own_changes(presets: dict[str, Path]) -> bool:
    """Return whether params.yaml has changes that neither git nor a preset has."""
    if not PARAMS.exists() or any(PARAMS.read_bytes() == preset.read_bytes() for preset in presets.values()):
        return False
    answer = subprocess.run(["git", "status", "--porcelain", "--", PARAMS], capture_output=True, text=True, check=False)
    return answer.returncode != 0 or bool(answer.stdout.strip())
