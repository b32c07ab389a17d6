"""A program that prints what `dvc status --json` does, also while a stage runs: for who only looks on.

DVC's own takes locks on all that stages read and write. A stage that is under way holds those that it writes, and
`dvc status` fails. What this says of such a stage is what can be seen of it: its old result is gone, or it changes.

Run as a file, in the workspace (dvc_view/graph.py); it imports nothing of this project, whose code may be edited.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from dvc.exceptions import DvcException
from dvc.repo import Repo


def main() -> None:
    """In the current directory."""
    try:
        with Repo() as repo:
            found = {stage.addressing: reasons_of(stage) for stage in repo.index.stages}
    except DvcException as error:
        sys.exit(str(error))
    print(json.dumps({address: reasons for address, reasons in found.items() if reasons}))


def reasons_of(stage: Any) -> list[Any]:
    """Why `dvc repro` would run it, in DVC's words; empty where it would not."""
    try:
        changed = {"changed deps": [] if stage.frozen else stage.deps, "changed outs": stage.outs}
        reasons: list[Any] = [{what: named} for what, items in changed.items() if (named := _named(items))]
    except FileNotFoundError as error:  # listed, and gone when it was to be read
        reasons = [{"changed outs": {str(error.filename): "being written"}}]
    if stage.is_callback or stage.always_changed:
        reasons.append("always changed")
    if stage.changed_stage():
        reasons.append("changed command")
    return reasons


def _named(items: list[Any]) -> dict[str, Any]:
    return {name: how for item in items for name, how in item.status().items()}


if __name__ == "__main__":
    main()
